//! The conveniences over any watcher.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

#[path = "../common/mod.rs"]
mod common;
mod copies;
mod forked;
mod guards;
mod registers;
mod spawned;
mod waiting;
