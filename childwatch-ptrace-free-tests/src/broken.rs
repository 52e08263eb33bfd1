//! Deliberately broken watchers, and the cases that they must fail: every case is failed
//! by one, so that none is one that cannot fail.
//!
//! Each has one fault, in a few lines. Most are a good watcher with one method gone
//! wrong (`watcher.rs`), or the real engine over a good source with one law broken
//! (`source.rs`); a few are made wrongly, or claim to be what they are not. The
//! [old design](OldDesign) has many faults at once, as it came.
//!
//! Random programs and the soak must find some of them too; the soak, where they are wrong
//! [only now and then](be_wrong_in_one_call_of).
//!
//! One fault can't be written down: a callback that runs twice. It is an `FnOnce`, and
//! the compiler is its case.

#![expect(
    unsafe_code,
    reason = "`fork_watchable`, unsafe in the suite's trait, and passed on"
)]

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher, WatchError};

use crate::backend::{BackendUnderTest, Need};
use crate::backends::Pidfd;
use crate::case::Clause;
use crate::child::Nursery;
use crate::driven::Driven;

mod callbacks;
mod cancel;
mod construction;
mod driver;
mod end;
mod footprint;
mod fork;
mod hosts;
mod identity;
mod in_attacks;
mod in_attacks_2;
mod in_attacks_3;
mod in_hosts;
mod in_lives;
mod in_places;
mod late;
mod laws;
mod looks;
mod masks;
mod old_design;
mod panics;
mod poll;
mod refusals;
mod registrations;
mod seldom;
mod signal;
pub(crate) mod source;
mod start;
mod status;
mod table;
mod watcher;

pub use old_design::OldDesign;
pub use seldom::be_wrong_in_one_call_of;
pub use table::table;

/// A broken watcher, as a backend, and what is known of its fault.
#[derive(Clone, Copy)]
pub struct Broken {
    /// A short name, for the table and the command line.
    pub name: &'static str,
    /// What it does wrong, in a sentence.
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
}

/// What the broken watchers have in common, as far as they do.
const ON_PIDFDS: Broken = Broken {
    name: "",
    fault: "",
    breaks: Rule::Clause(Clause::C1),
    built_on: &Pidfd,
    claims: &Pidfd,
    watcher: || Pidfd.watcher(),
    driven: || Pidfd.driven(),
    fails: &[],
    passes: &["codes_and_signals_are_told"],
};

/// What a watcher, or a source, keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A clause of [`PidWatcher`]'s contract.
    Clause(Clause),
    /// A law of [`ExitSource`](childwatch_core::source::ExitSource) or of
    /// [`PollableSource`](childwatch_core::source::PollableSource), by its number.
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

/// A family a file.
const FAMILIES: &[&[Broken]] = &[
    laws::ALL,
    refusals::ALL,
    construction::ALL,
    driver::ALL,
    looks::ALL,
    status::ALL,
    callbacks::ALL,
    masks::ALL,
    poll::ALL,
    late::ALL,
    panics::ALL,
    registrations::ALL,
    cancel::ALL,
    end::ALL,
    identity::ALL,
    fork::ALL,
    start::ALL,
    footprint::ALL,
    hosts::ALL,
    in_hosts::ALL,
    in_places::ALL,
    in_lives::ALL,
    in_attacks::ALL,
    in_attacks_2::ALL,
    in_attacks_3::ALL,
    signal::ALL,
    old_design::ALL,
];

/// Every broken watcher.
pub fn all() -> impl Iterator<Item = &'static Broken> {
    FAMILIES.iter().copied().flatten()
}

/// The broken watcher of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Broken> {
    all().find(|broken| broken.name == name)
}

/// The broken watchers, for [`take_part`](crate::front::take_part).
#[must_use]
pub fn backends() -> Vec<&'static dyn BackendUnderTest> {
    all()
        .map(|broken| broken as &dyn BackendUnderTest)
        .collect()
}

impl BackendUnderTest for Broken {
    fn name(&self) -> &'static str {
        self.name
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        (self.watcher)()
    }

    fn driven(&self) -> Result<Driven, WatchError> {
        (self.driven)()
    }

    fn is_available(&self) -> Result<(), String> {
        self.claims.is_available()
    }

    fn offers(&self, need: Need) -> Result<(), String> {
        self.claims.offers(need)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::host::CASES_OF_HOSTS;
    use crate::{CASES, Case};

    #[test]
    fn every_clause_is_broken_by_somebody_and_that_is_seen_by_a_case_of_it() {
        for clause in Clause::ALL {
            let is_seen = |broken: &Broken| {
                let mut cases = broken.fails.iter().map(|(case, _)| Case::named(case));
                broken.breaks == Rule::Clause(*clause)
                    && cases.any(|case| case.is_some_and(|case| case.clause == *clause))
            };
            assert!(all().any(is_seen), "{clause}");
        }
    }

    #[test]
    fn every_law_is_broken_by_somebody() {
        for law in 1..=12 {
            let is_broken = all().any(|broken| broken.breaks == Rule::Law(law));
            assert!(is_broken, "S{law}");
        }
    }

    #[test]
    fn every_case_and_host_is_failed_by_somebody() {
        let failed: BTreeSet<_> = all()
            .flat_map(|broken| broken.fails.iter().map(|(case, _)| *case))
            .collect();
        for case in CASES.iter().chain(CASES_OF_HOSTS) {
            assert!(failed.contains(case.name), "{}", case.name);
        }
    }

    #[test]
    fn each_has_a_name_of_its_own_and_a_case_that_kills_it() {
        let names: BTreeSet<_> = all().map(|broken| broken.name).collect();
        assert_eq!(names.len(), all().count());
        for broken in all() {
            assert!(
                !broken.fault.is_empty() && !broken.fails.is_empty(),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn their_cases_are_in_the_list() {
        for broken in all() {
            let fails = broken.fails.iter().map(|(case, _)| case);
            for case in fails.chain(broken.passes) {
                assert!(Case::named(case).is_some(), "{}: {case}", broken.name);
            }
        }
    }
}
