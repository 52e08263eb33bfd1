//! A program that reads `SIGCHLD` from a `signalfd`, as event loops do.

use super::life::Life;
use super::receiving;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::sys::receive::ChildSignals;
use crate::kit::sys::signals;

pub(super) const HOST: Host = Host {
    name: "signalfd-reader",
    is: "an event loop that reads SIGCHLD from a signalfd, blocked on all threads",
    needs: &[Need::Backend(Feature::BlockedSignals)],
    exceptions: &[receiving::TAKEN],
    live,
};

fn live(life: &Life<'_>) {
    signals::block_sigchld();
    let signals = ChildSignals::open();
    receiving::in_a_loop(life, |limit| signals.receive(limit));
}
