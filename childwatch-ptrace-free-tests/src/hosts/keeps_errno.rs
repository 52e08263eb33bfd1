//! A program in C that looks at `errno` a little after the call that has failed.
//!
//! A handler may run in between. If it makes a call that fails, and does not restore
//! `errno`, the program takes another error for its own.

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::sys::stacks;

pub(super) const HOST: Host = Host {
    name: "keeps-errno",
    is: "a program that is signalled between a failed call and its look at errno",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        let errors = [libc::ENOENT, libc::EAGAIN, libc::EXFULL];
        errors
            .repeat(20)
            .into_iter()
            .map(stacks::errno_after_a_signal)
            .collect::<Vec<_>>()
    });
}
