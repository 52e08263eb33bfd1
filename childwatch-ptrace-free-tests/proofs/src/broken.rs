//! Deliberately broken watchers, and the cases that they must fail: each case is failed by at
//! least one broken watcher. So no case passes every watcher.
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

use childwatch_ptrace_free_tests::{BackendUnderTest, SourceUnderTest};

mod callbacks;
mod cancel;
mod construction;
mod driver;
mod end;
mod entry;
mod footprint;
mod fork;
mod hosts;
mod identity;
mod in_attacks;
mod in_attacks_2;
mod in_attacks_3;
mod in_attacks_4;
mod in_hosts;
mod in_lives;
mod in_places;
mod late;
mod laws;
mod looks;
mod masks;
mod old_design;
mod panics;
mod pidfds;
mod poll;
mod reaping;
mod refusals;
mod registrations;
mod seldom;
mod send;
mod signal;
pub(crate) mod source;
mod start;
mod status;
pub mod table;
mod watcher;

pub use entry::{Broken, FailedLaw, Fails, Rule};
pub use old_design::OldDesign;
pub use seldom::be_wrong_in_one_call_of;

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
    pidfds::ALL,
    reaping::ALL,
    send::ALL,
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
    in_attacks_4::ALL,
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

/// The broken sources, for [`take_part`](childwatch_ptrace_free_tests::front::laws::take_part).
#[must_use]
pub fn sources() -> Vec<SourceUnderTest> {
    let sources = all().filter_map(|broken| Some((broken.law?.source)(broken.name)));
    sources.collect()
}

/// The broken watchers, for [`take_part`](crate::front::take_part).
#[must_use]
pub fn backends() -> Vec<&'static dyn BackendUnderTest> {
    all()
        .map(|broken| broken as &dyn BackendUnderTest)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use childwatch_ptrace_free_tests::CASES;
    use childwatch_ptrace_free_tests::CASES_OF_HOSTS;
    use childwatch_ptrace_free_tests::Case;
    use childwatch_ptrace_free_tests::Clause;

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
        for law in 1..=14 {
            let is_broken = all().any(|broken| broken.breaks == Rule::Law(law));
            assert!(is_broken, "S{law}");
        }
    }

    /// Every panic of a source fails a law, so S9 has no test.
    #[test]
    fn every_law_is_failed_by_a_source_that_breaks_it() {
        for law in (1..=14).filter(|&law| law != 9) {
            let tag = format!("s{law}_");
            let is_seen = |broken: &Broken| {
                broken.breaks == Rule::Law(law)
                    && broken.law.is_some_and(|law| law.test.starts_with(&tag))
            };
            assert!(all().any(is_seen), "S{law}");
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
