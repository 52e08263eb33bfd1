//! A program that valgrind runs: one thread at a time, and each use of memory is checked.

use super::in_qemu;
use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::machine::anew;
use crate::machine::interpreter::Interpreter;

pub(super) const HOST: Host = Host {
    name: "valgrind",
    is: "a program that valgrind runs, whose memcheck finds no error",
    needs: &[Need::Machine(Facility::RunsIn(Interpreter::Valgrind))],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    anew::under(Interpreter::Valgrind);
    in_qemu::prepare();
    life.goes_on_slowly(|_| in_qemu::work());
}
