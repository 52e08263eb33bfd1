//! The handler and the program's threads beside the watcher's thread, in every interleaving.
//!
//! A handler runs on any thread, so in a model it is one more thread. The ring has only two
//! places there.

mod event_count;
mod handler;
mod hints;
mod pollable;
mod source;
