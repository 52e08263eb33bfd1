//! What listens: from a `SIGCHLD` to the watcher's thread.
//!
//! ```text
//!  SIGCHLD ──▶ handler ──┐                      ┌─▶ epoch        how many signals so far
//!                        ├──▶ Inbox::signal ────┼─▶ hints        which child, which status
//!  Forwarder::notify ────┘                      └─▶ event count  ends the wait of the thread
//! ```
//!
//! Everything on this way is async-signal-safe: atomic operations, and the system call
//! `futex` if the thread waits. For a watcher without a thread, the event count has a [`wire`] to the
//! descriptor that the program polls. The wire makes the calls `getpid` and `epoll_ctl`.

pub(crate) mod disposition;
pub(crate) mod event_count;
pub(crate) mod forwarder;
mod futex;
pub(crate) mod handler;
pub(crate) mod hints;
pub(crate) mod inbox;
pub(crate) mod mask;
mod rest;
pub(crate) mod subscription;
pub(crate) mod wire;
