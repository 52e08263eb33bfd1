//! A program that has each of its threads do something, by a signal: a library that changes
//! capabilities, or a reporter of crashes that collects stacks.
//!
//! It takes the list of threads from the kernel, so a library's own threads must answer too.
//! They must let the signal through, and go on with what it has interrupted. This program
//! uses `SIGSYS`, as the library of capabilities does.

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::sys::answered::AnsweredSignal;

pub(super) const HOST: Host = Host {
    name: "asks-all-threads",
    is: "a program that signals each of its threads with SIGSYS and waits for the answers",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    let _handler = AnsweredSignal::handle(libc::SIGSYS);
    life.goes_on(|_| {
        let answered = (0..20).map(|_| AnsweredSignal::ask_all(libc::SIGSYS));
        answered.collect::<Vec<()>>().len()
    });
}
