//! Proofs that the conformance suite and the backends of this workspace are right. Nobody else
//! needs them, so they are no part of the suite's package.
//!
//! | module | what it proves |
//! |---|---|
//! | [`backends`] | the backends of this workspace keep the contract: each is a subject of the suite |
//! | [`broken`] | no case passes whatever a watcher does: each is failed by a watcher with one fault |
//! | [`odd`] | no case demands what no clause promises: strange watchers that are permitted pass |
//! | [`faults`] | a watcher stands each error of each system call that it makes |
//! | [`program`] | random programs of calls and exits have histories that the contract explains |
//! | [`soak`] | random calls on thousands of children, for minutes, lose nothing |
//!
//! The program `childwatch-conformance` runs the suite and these proofs, each in a process of
//! its own. `cargo xtask` has the commands.

pub mod backends;
pub mod broken;
pub mod faults;
pub mod front;
pub mod odd;
pub mod program;
pub mod soak;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The code of the guide is compiled and run here, because it needs every backend.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../childwatch-core/docs/choosing.md")]
    struct Choosing;
    #[doc = include_str!("../../../childwatch-core/docs/supervising.md")]
    struct Supervising;
    #[doc = include_str!("../../../childwatch-core/docs/asynchronous.md")]
    struct Asynchronous;
    #[doc = include_str!("../../../childwatch-core/docs/own_loop.md")]
    struct OwnLoop;
    #[doc = include_str!("../../../childwatch-core/docs/testing.md")]
    struct Testing;
    #[doc = include_str!("../../../childwatch-core/docs/troubleshooting.md")]
    struct Troubleshooting;
    #[doc = include_str!("../../../childwatch-core/docs/migrating.md")]
    struct Migrating;
}
