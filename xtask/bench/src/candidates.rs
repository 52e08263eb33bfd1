//! Every [`Candidate`].

use childwatch_core::FallbackWatcher;
use childwatch_pidfd::PidfdSource;
use childwatch_proofs::backends::{Pidfd, Sigchld};
use childwatch_proofs::broken::OldDesign;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::sys::signals::block_sigchld;
use childwatch_sigchld::SigchldSource;

use crate::measuring::limits::Fds;
use candidate::Candidate;
use floor::Floor;
use names::{FALLBACK, OLD_DESIGN, PIDFD, SIGCHLD, SIGCHLD_BLOCKED};
use pid_watcher::ByPidWatcher;

mod async_process;
pub(crate) mod candidate;
pub(crate) mod floor;
pub(crate) mod names;
mod pid_watcher;
mod status;
pub(crate) mod thread;
mod tokio;
mod tokio_process;

/// The candidate with which the others are compared.
pub(crate) static FLOOR: &dyn Candidate = &Floor::WithoutStatus;

/// Two further libraries, and why they are not among the candidates.
pub(crate) static ABSENT: &[&str] = &[
    "GLib: `glib-sys` 0.22 builds only where pkg-config finds the system's `glib-2.0`",
    "libuv: `libuv-sys2` 1.52 brings libuv's source, but its build makes the bindings with \
     bindgen, and ends with \"Unable to find libclang\" where there is only a C compiler",
];

/// Every candidate, the floor first.
pub(crate) static ALL: &[&dyn Candidate] = &[
    FLOOR,
    &Floor::WithStatus,
    &ByPidWatcher {
        name: OLD_DESIGN,
        make: || OldDesign::UnderItsLock.watcher(),
        fds: Fds::OneAChild,
    },
    &thread::ThreadAChild,
    &tokio::TokioAsyncFd,
    &tokio_process::TokioProcess,
    &async_process::AsyncProcess,
    &ByPidWatcher {
        name: PIDFD,
        make: || Pidfd.watcher(),
        fds: Fds::OneAChild,
    },
    &ByPidWatcher {
        name: SIGCHLD,
        make: || Sigchld.watcher(),
        fds: Fds::NoneAChild,
    },
    &ByPidWatcher {
        name: SIGCHLD_BLOCKED,
        make: || {
            block_sigchld();
            Sigchld.watcher()
        },
        fds: Fds::NoneAChild,
    },
    &ByPidWatcher {
        name: FALLBACK,
        make: || {
            Ok(Box::new(FallbackWatcher::new(
                PidfdSource::new()?,
                SigchldSource::new()?,
            )?))
        },
        fds: Fds::NoneAChild,
    },
];

/// Returns the candidate of this name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Candidate> {
    ALL.iter()
        .copied()
        .find(|candidate| candidate.name() == name)
}
