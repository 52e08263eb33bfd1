//! [`Broken`]: a broken watcher, and what is known of its fault.

#![expect(
    unsafe_code,
    reason = "`fork_watchable`, unsafe in the suite's trait, and passed on"
)]

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use childwatch_core::{ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};

use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause;
use childwatch_ptrace_free_tests::Feature;
use childwatch_ptrace_free_tests::SourceUnderTest;
use childwatch_ptrace_free_tests::kit::child::Nursery;
use childwatch_ptrace_free_tests::kit::driven::Driven;

/// A broken watcher, as a backend, and what is known of its fault.
#[derive(Clone, Copy)]
pub struct Broken {
    /// A short name. The table and the command line use it.
    pub name: &'static str,
    /// Its fault, in a sentence.
    pub fault: &'static str,
    /// The rule that this breaks.
    pub breaks: Rule,
    /// The good backend that it is made from.
    pub built_on: &'static dyn BackendUnderTest,
    /// The backend that it claims to be like: what this offers to cases, it does.
    pub claims: &'static dyn BackendUnderTest,
    /// Its constructor.
    pub watcher: fn() -> Result<Box<dyn PidWatcher>, WatchError>,
    /// As [`BackendUnderTest::driven`].
    pub driven: fn() -> Result<Driven, WatchError>,
    /// The cases that it fails, and how.
    pub fails: &'static [(&'static str, Fails)],
    /// Some cases that it passes: it is a working watcher otherwise.
    pub passes: &'static [&'static str],
    /// The test of a law that its source fails, if it is a source that is broken.
    pub law: Option<FailedLaw>,
}

/// The test of a law that a broken source fails.
#[derive(Clone, Copy, Debug)]
pub struct FailedLaw {
    /// The name of the test.
    pub test: &'static str,
    /// How it fails.
    pub how: Fails,
    /// Makes the source, under the name that it is given.
    pub source: fn(&'static str) -> SourceUnderTest,
}

/// What the broken watchers have in common, as far as they do.
pub(super) const ON_PIDFDS: Broken = Broken {
    name: "",
    fault: "",
    breaks: Rule::Clause(Clause::C1),
    built_on: &Pidfd,
    claims: &Pidfd,
    watcher: || Pidfd.watcher(),
    driven: || Pidfd.driven(),
    fails: &[],
    passes: &["codes_and_signals_are_told"],
    law: None,
};

/// What a watcher, or a source, keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A clause of [`PidWatcher`]'s contract.
    Clause(Clause),
    /// A law of [`ExitSource`](childwatch_core::source::ExitSource), by its number.
    Law(u8),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Clause(clause) => clause.fmt(f),
            Rule::Law(number) => write!(f, "S{number}"),
        }
    }
}

/// How a case is failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// With this in what it prints.
    Saying(&'static str),
    /// With this in what it prints, after a wait for what does not come.
    InVain(&'static str),
    /// By never ending.
    ByHanging,
}

impl BackendUnderTest for Broken {
    fn name(&self) -> &'static str {
        self.name
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        (self.watcher)()
    }

    /// A broken source is made to report usages, in any case.
    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        (self.watcher)()
    }

    /// As for usages.
    fn watcher_until_reaped(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        (self.watcher)()
    }

    fn driven(&self) -> Result<Driven, WatchError> {
        (self.driven)()
    }

    fn is_available(&self) -> Result<(), String> {
        self.claims.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        self.claims.offers(feature)
    }

    fn nursery(&self) -> Box<dyn Nursery> {
        self.claims.nursery()
    }

    fn unit_of_start_times(&self) -> Duration {
        self.claims.unit_of_start_times()
    }

    fn spawn_watchable(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
    ) -> io::Result<Child> {
        self.claims.spawn_watchable(watcher, command)
    }

    fn spawn_watched(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
        callback: ExitCallback,
    ) -> io::Result<(Child, WatchHandle)> {
        self.claims.spawn_watched(watcher, command, callback)
    }

    unsafe fn fork_watchable(
        &self,
        watcher: &dyn PidWatcher,
        child: fn() -> Infallible,
    ) -> io::Result<Pid> {
        // SAFETY: the caller's promise.
        unsafe { self.claims.fork_watchable(watcher, child) }
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broken")
            .field("name", &self.name)
            .field("breaks", &self.breaks)
            .field("fails", &self.fails)
            .finish_non_exhaustive()
    }
}
