//! What listens: from a `SIGCHLD` to the watcher's thread.
//!
//! ```text
//!  SIGCHLD ──▶ handler ──┐                      ┌─▶ epoch        how many signals so far
//!                        ├──▶ Inbox::signal ────┼─▶ hints        which child, which status
//!  Forwarder::notify ────┘                      └─▶ bell         ends the wait of the thread
//! ```
//!
//! Everything on this way is async-signal-safe: atomic operations, and the system call
//! `futex` if the thread waits.

pub(crate) mod bell;
pub(crate) mod forwarder;
mod futex;
pub(crate) mod handler;
pub(crate) mod hints;
pub(crate) mod inbox;
pub(crate) mod mask;
