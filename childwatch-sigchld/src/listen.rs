//! What listens: from a `SIGCHLD` to the watcher's thread.
//!
//! ```text
//!  SIGCHLD ──▶ handler ──┐                      ┌─▶ generation   how many signals so far
//!                        ├──▶ Inbox::signal ────┼─▶ hints        which child, which status
//!  Forwarder::notify ────┘                      └─▶ bell         ends the wait of the thread
//! ```
//!
//! Everything on this way is async-signal-safe: atomic operations, and the system call
//! `futex` if the thread waits. For a watcher without a thread, the bell has a [`wire`] to a
//! descriptor that a program polls. That is `getpid` and `epoll_ctl`.

pub(crate) mod bell;
pub(crate) mod forwarder;
mod futex;
pub(crate) mod handler;
pub(crate) mod hints;
pub(crate) mod inbox;
pub(crate) mod mask;
pub(crate) mod wire;
