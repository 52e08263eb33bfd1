//! The kernel itself.

use std::io;
use std::time::Duration;

use childwatch_core::source::Detail;
use childwatch_core::source::clock::{self, Stopwatch, Ticks};
use childwatch_core::{Pid, WatchError};

use crate::listen::handler;
use crate::listen::mask;
use crate::listen::subscription::Subscription;
use crate::look::child::{self, Kinship, State};
use crate::look::proc::OwnProc;
use crate::look::release;
use crate::look::signalled;

#[derive(Clone, Debug)]
pub(crate) struct Kernel;

impl Kernel {
    pub(crate) fn new() -> Self {
        Kernel
    }

    /// Returns an error if the kernel or a sandbox does not offer what the source needs.
    pub(crate) fn check(&self) -> Result<(), WatchError> {
        crate::probe().check()
    }

    /// Returns `true` if a `waitid` of one child walks over all children.
    pub(crate) fn walks_over_all(&self) -> bool {
        release::walks_over_all()
    }

    /// Looks at the child with this pid: one `waitid`.
    pub(crate) fn look(&self, pid: Pid, detail: Detail) -> State {
        child::look(pid, detail)
    }

    pub(crate) fn kinship(&self, pid: Pid) -> Kinship {
        child::kinship(pid)
    }

    /// Returns the error for a pid that is not a child's.
    pub(crate) fn not_a_child(&self, pid: Pid) -> WatchError {
        child::not_a_child(pid)
    }

    /// Sends a signal to a child, after a `look` that finds that it still has the pid.
    pub(crate) fn send_signal(
        &self,
        pid: Pid,
        signal: i32,
        look: impl Fn() -> Result<(), WatchError>,
    ) -> Result<(), WatchError> {
        signalled::send(pid, signal, look)
    }

    /// Proves that `/proc` is that of this process's pid namespace.
    pub(crate) fn prove_proc(&self) -> Option<OwnProc> {
        OwnProc::prove()
    }

    /// Takes an inbox, which the handler delivers to.
    pub(crate) fn subscribe(&self) -> Subscription {
        Subscription::new()
    }

    /// Returns `true` if the handler has been installed. A source that arms its first child also
    /// asks whether the handler has been removed since.
    pub(crate) fn has_handler(&self, is_first: bool) -> bool {
        handler::is_installed() && !(is_first && handler::is_removed())
    }

    /// Returns `true` if a handler of the program's may run on a thread that lets the signal through.
    pub(crate) fn may_run_another_handler(&self) -> bool {
        handler::may_run_another()
    }

    pub(crate) fn install_handler(&self) -> io::Result<()> {
        handler::install()
    }

    /// Blocks or unblocks `SIGCHLD` on the calling thread.
    pub(crate) fn set_blocked(&self, is_blocked: bool) -> io::Result<()> {
        mask::set_blocked(is_blocked)
    }

    pub(crate) fn monotonic(&self) -> Duration {
        clock::monotonic()
    }

    /// Measures the processor time of the calling thread.
    pub(crate) fn stopwatch(&self) -> Stopwatch {
        Stopwatch::start()
    }

    pub(crate) fn ticks(&self) -> Ticks {
        Ticks::now()
    }
}
