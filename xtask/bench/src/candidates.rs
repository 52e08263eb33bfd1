//! Every [`Candidate`].

use childwatch_core::Fallback;
use childwatch_pidfd::PidfdSource;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::backends::{Pidfd, Sigchld};
use childwatch_ptrace_free_tests::broken::OldDesign;
use childwatch_sigchld::SigchldSource;

use crate::candidate::Candidate;
use crate::limits::Fds;
use floor::Floor;
use pid_watcher::ByPidWatcher;

mod async_process;
pub(crate) mod floor;
mod pid_watcher;
mod status;
mod thread;
mod tokio;
mod tokio_process;

/// What the others are measured by.
pub(crate) static FLOOR: &dyn Candidate = &Floor::WithoutStatus;

/// Every candidate, the floor first.
///
/// Bindings of GLib and libuv are absent: they need those libraries on the machine, and
/// watch as tokio and the floor do.
pub(crate) static ALL: &[&dyn Candidate] = &[
    FLOOR,
    &Floor::WithStatus,
    &ByPidWatcher {
        name: "old design",
        make: || OldDesign::UnderItsLock.watcher(),
        fds: Fds::OneAChild,
    },
    &thread::ThreadAChild,
    &tokio::TokioAsyncFd,
    &tokio_process::TokioProcess,
    &async_process::AsyncProcess,
    &ByPidWatcher {
        name: "pidfd",
        make: || Pidfd.watcher(),
        fds: Fds::OneAChild,
    },
    &ByPidWatcher {
        name: "sigchld",
        make: || Sigchld.watcher(),
        fds: Fds::NoneAChild,
    },
    &ByPidWatcher {
        name: "fallback",
        make: || {
            Ok(Box::new(Fallback::new(
                PidfdSource::new()?,
                SigchldSource::new()?,
            )?))
        },
        fds: Fds::NoneAChild,
    },
];

/// The candidate of this name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Candidate> {
    ALL.iter()
        .copied()
        .find(|candidate| candidate.name() == name)
}
