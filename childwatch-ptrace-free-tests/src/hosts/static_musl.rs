//! This very program, linked statically with musl.

use std::process::Command;

use super::inherited::signals_of_a_new_program;
use super::life::Life;
use super::plain;
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::machine::{anew, static_program};

pub(super) const HOST: Host = Host {
    name: "static-musl",
    is: "this program, linked statically with musl",
    needs: &[Need::Machine(Facility::StaticProgram)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    if !static_program::IS_STATIC {
        let program = static_program::file().expect("the needs have been looked at");
        anew::through(Command::new(program), || {});
        unreachable!("the other program plays the host");
    }
    life.goes_on(|_| {
        let mut killed = RealNursery.spawn();
        killed.die(End::Signal(libc::SIGTERM as u8));
        let codes: Vec<_> = (0..10).map(plain::exits_with).collect();
        (codes, killed.reap(), signals_of_a_new_program())
    });
}
