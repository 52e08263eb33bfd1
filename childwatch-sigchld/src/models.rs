//! The handler and the program's threads against the watcher's thread, in every
//! interleaving.
//!
//! A handler runs on any thread, so in a model it is one more thread. The ring has only
//! two places there.

mod bell;
mod handler;
mod hints;
mod pollable;
mod source;
