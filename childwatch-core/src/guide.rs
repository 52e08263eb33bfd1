//! The guide: pages for the people who use childwatch.
//!
//! | page | what it has |
//! |---|---|
//! | [choosing] | whether childwatch fits, which watcher, the ways to register and to wait |
//! | [supervising] | the order that matters, callbacks, the moment before reaping, restarts |
//! | [asynchronous] | futures, timeouts, tokio |
//! | [own_loop] | a watcher without a thread, in a loop of the program's |
//! | [testing] | supervising code on simulated processes |
//! | [troubleshooting] | errors and surprises, with their remedies |
//! | [limits] | what a program must know of every watcher |
//! | [migrating] | from Shadow, tokio, wait-timeout, shared_child, a handler of `SIGCHLD` |
//!
//! The promise itself is the contract of [`PidWatcher`](crate::PidWatcher). The code of the guide
//! is compiled and run with every change.

#[doc = include_str!("../docs/choosing.md")]
pub mod choosing {}

#[doc = include_str!("../docs/supervising.md")]
pub mod supervising {}

#[doc = include_str!("../docs/asynchronous.md")]
pub mod asynchronous {}

#[doc = include_str!("../docs/own_loop.md")]
pub mod own_loop {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/troubleshooting.md")]
pub mod troubleshooting {}

pub mod limits;

#[doc = include_str!("../docs/migrating.md")]
pub mod migrating {}
