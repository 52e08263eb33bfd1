//! A program that ends its threads by `pthread_cancel`, as servers in C do with threads that are
//! blocked in a call.
//!
//! A cancellation is a signal of the C library. If it interrupts a watcher's handler of `SIGCHLD`,
//! glibc unwinds the thread through the handler. If the handler is written in Rust, this ends the
//! program.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::sys::cancelling::cancel_a_thread_with_sigchld;

pub(super) const HOST: Host = Host {
    name: "cancels-threads",
    is: "a program that ends threads by pthread_cancel while SIGCHLD comes",
    // A handler of the program's in Rust is ended in the same way.
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| [(); 20].map(|()| cancel_a_thread_with_sigchld()));
}
