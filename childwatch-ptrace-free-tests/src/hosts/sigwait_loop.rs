//! A program with a thread that waits for `SIGCHLD` in `sigtimedwait`.

use super::life::Life;
use super::receiving;
use crate::backend::Need;
use crate::host::Host;
use crate::sys;

pub(super) const HOST: Host = Host {
    name: "sigwait-loop",
    is: "a program with a thread in sigwaitinfo, and SIGCHLD blocked on all threads",
    needs: &[Need::BlockedSignals],
    exceptions: &[receiving::TAKEN],
    live,
};

fn live(life: &Life<'_>) {
    sys::block_sigchld();
    receiving::in_a_loop(life, sys::take_child_signal);
}
