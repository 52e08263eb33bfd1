//! A program that blocks `SIGCHLD` but for its waits: a server's first process, `make`, a
//! shell.
//!
//! Its handler sets a flag. The thread that waits atomically unblocks the signal and sleeps,
//! by `sigsuspend`, `pselect` or `ppoll`. It relies on being interrupted: a signal that a
//! handler has taken on another thread, before the sleep, does not end the sleep.

use super::life::Life;
use super::receiving;
use crate::hosts::host::Host;
use crate::kit::sys::receive::{self, NotedSignal};
use crate::kit::sys::signals;

pub(super) const HOST: Host = Host {
    name: "sigsuspend-loop",
    is: "a server that blocks SIGCHLD except while it sleeps in sigsuspend, pselect or ppoll",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    signals::block_sigchld();
    NotedSignal::handle();
    receiving::in_a_loop_with_a_handler(life, |limit| {
        let is_interrupted = receive::is_interrupted_within(limit);
        NotedSignal::take().filter(|_| is_interrupted)
    });
}
