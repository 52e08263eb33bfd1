//! Every [`Candidate`].

use childwatch_core::FallbackWatcher;
use childwatch_pidfd::{PidfdSource, PidfdWatcher};
use childwatch_proofs::backends::{Pidfd, Sigchld};
use childwatch_proofs::broken::OldDesign;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::sys::signals::block_sigchld;
use childwatch_sigchld::{SigchldSource, SigchldWatcher};

use crate::measuring::limits::Fds;
use candidate::Candidate;
use driven::ByDrivenWatcher;
use floor::Floor;
use names::{
    FALLBACK, FALLBACK_DRIVEN, OLD_DESIGN, PIDFD, PIDFD_DRIVEN, SIGCHLD, SIGCHLD_BLOCKED,
    SIGCHLD_DRIVEN,
};
use pid_watcher::ByPidWatcher;

mod async_fd;
mod async_process;
pub(crate) mod candidate;
mod driven;
pub(crate) mod floor;
pub(crate) mod gated;
pub(crate) mod names;
mod pid_watcher;
pub(crate) mod runtime;
mod status;
pub(crate) mod thread;
mod tokio;
mod tokio_process;

/// The candidate with which the others are compared in most rows.
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
    &Floor::Nested,
    &async_fd::AsyncFdWithStatus,
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
    &ByDrivenWatcher {
        name: PIDFD_DRIVEN,
        make: PidfdWatcher::driven,
        fds: Fds::OneAChild,
    },
    &ByDrivenWatcher {
        name: SIGCHLD_DRIVEN,
        make: SigchldWatcher::driven,
        fds: Fds::NoneAChild,
    },
    &ByDrivenWatcher {
        name: FALLBACK_DRIVEN,
        make: || FallbackWatcher::driven(PidfdSource::new()?, SigchldSource::pollable()?),
        fds: Fds::NoneAChild,
    },
];

/// Returns the candidate of this name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Candidate> {
    ALL.iter()
        .copied()
        .find(|candidate| candidate.name() == name)
}
