//! The lists of candidates that rows have.

use crate::candidates::names::{
    ASYNC_FD, ASYNC_PROCESS, FALLBACK, FALLBACK_DRIVEN, FLOOR, FLOOR_NESTED, FLOOR_WITH_STATUS,
    OLD_DESIGN, PIDFD, PIDFD_DRIVEN, SIGCHLD, SIGCHLD_BLOCKED, SIGCHLD_DRIVEN, THREAD, TOKIO,
    TOKIO_PROCESS,
};

/// Candidates with threads of their own.
pub(super) static WITH_THREADS: &[&str] = &[
    FLOOR,
    FLOOR_WITH_STATUS,
    OLD_DESIGN,
    THREAD,
    TOKIO,
    TOKIO_PROCESS,
    ASYNC_PROCESS,
    PIDFD,
    SIGCHLD,
    SIGCHLD_BLOCKED,
    FALLBACK,
];

/// The same, and our watchers in a loop of the program. `fallback-driven` does here what
/// `pidfd-driven` does, and is left out.
pub(super) static WITH_THREADS_AND_DRIVEN: &[&str] = &[
    FLOOR,
    FLOOR_WITH_STATUS,
    OLD_DESIGN,
    THREAD,
    TOKIO,
    PIDFD,
    SIGCHLD,
    SIGCHLD_BLOCKED,
    FALLBACK,
    PIDFD_DRIVEN,
    SIGCHLD_DRIVEN,
];

/// Candidates in a loop over epoll.
pub(super) static IN_A_LOOP: &[&str] = &[
    FLOOR,
    FLOOR_WITH_STATUS,
    FLOOR_NESTED,
    PIDFD_DRIVEN,
    SIGCHLD_DRIVEN,
    FALLBACK_DRIVEN,
];

/// Candidates whose exits tasks await with tokio.
pub(super) static TASKS_OF_TOKIO: &[&str] = &[
    ASYNC_FD,
    TOKIO_PROCESS,
    PIDFD,
    SIGCHLD,
    FALLBACK,
    PIDFD_DRIVEN,
    SIGCHLD_DRIVEN,
    FALLBACK_DRIVEN,
];

/// Candidates whose exits tasks await with async-io.
pub(super) static TASKS_OF_ASYNC_IO: &[&str] = &[
    ASYNC_FD,
    ASYNC_PROCESS,
    PIDFD,
    SIGCHLD,
    FALLBACK,
    PIDFD_DRIVEN,
    SIGCHLD_DRIVEN,
    FALLBACK_DRIVEN,
];
