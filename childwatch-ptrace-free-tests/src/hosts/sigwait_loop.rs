//! A program with a thread that waits for `SIGCHLD` in `sigtimedwait`.

use super::life::Life;
use super::receiving;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::sys::{receive, signals};

pub(super) const HOST: Host = Host {
    name: "sigwait-loop",
    is: "a program with a thread in sigwaitinfo, and SIGCHLD blocked on all threads",
    needs: &[Need::Backend(Feature::BlockedSignals)],
    exceptions: &[receiving::TAKEN],
    live,
};

fn live(life: &Life<'_>) {
    signals::block_sigchld();
    receiving::in_a_loop(life, receive::take_child_signal);
}
