//! A program with small stacks and alternate ones for signals, as languages with light
//! threads have.
//!
//! The stack is nearly full when `SIGCHLD` comes. A handler without `SA_ONSTACK` has no room
//! there, and the program crashes. One with it has the few kilobytes of the alternate stack.

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::sys::stacks;

pub(super) const HOST: Host = Host {
    name: "small-stacks",
    is: "a runtime whose threads have nearly full stacks, and alternate ones for signals",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        let signalled = (0..5).map(|_| stacks::signal_at_the_end_of_a_stack());
        signalled.collect::<Vec<()>>().len()
    });
}
