//! A program that reads `SIGCHLD` from a `signalfd`, as event loops do.

use super::life::Life;
use super::receiving;
use crate::backend::Need;
use crate::host::Host;
use crate::sys::{self, ChildSignals};

pub(super) const HOST: Host = Host {
    name: "signalfd-reader",
    is: "an event loop that reads SIGCHLD from a signalfd, blocked on all threads",
    needs: &[Need::BlockedSignals],
    exceptions: &[receiving::TAKEN],
    live,
};

fn live(life: &Life<'_>) {
    sys::block_sigchld();
    let signals = ChildSignals::open();
    receiving::in_a_loop(life, |limit| signals.receive(limit));
}
