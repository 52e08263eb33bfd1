//! The laws of sources, S1 to S14: a test for each, without an engine.
//!
//! The documentation of [`ExitSource`] has S1 to S9, S13 and S14, and that of [`PollableSource`] has
//! S10 to S12. The author of a backend implements a source first, so the laws come before the
//! cases: a fault of the source is found here in a few lines, and there behind an engine.
//!
//! In a test target with `harness = false`, name the source and its constructor in one line:
//!
//! ```no_run
//! use childwatch_ptrace_free_tests::{SourceUnderTest, laws_main};
//! # mod my_crate {
//! #     use childwatch_core::source::PollableSimulatedSource;
//! #     use childwatch_core::{SimulatedProcesses, WatchError};
//! #     pub fn my_source() -> Result<(PollableSimulatedSource, ()), WatchError> {
//! #         Ok((PollableSimulatedSource::new(&SimulatedProcesses::new())?, ()))
//! #     }
//! # }
//!
//! laws_main!(SourceUnderTest::new("mine", my_crate::my_source));
//! ```
//!
//! - The constructor returns the source and its waiter. If the source cannot work on this
//!   machine, the constructor returns [`Unsupported`](childwatch_core::WatchError::Unsupported),
//!   and the tests are ignored with this reason.
//! - [`SourceUnderTest::pollable`](crate::SourceUnderTest::pollable) is for a [`PollableSource`]. It
//!   tests S10 to S12 too.
//! - [`start_times_in`](crate::SourceUnderTest::start_times_in) is for a source that tells a pid's
//!   next process by its start time, as one without pidfds does.
//!
//! Each test has a new source, and runs in a process of its own under a
//! [deadline](crate::kit::deadline::DEADLINE). So a `wait` that never ends fails its test and stops
//! no other. At the end of a test no child, thread or file descriptor may be left.
//!
//! A test that needs something that the source or the machine does not have is ignored, with the
//! reason. A source has no pidfds if its `pid_of` returns `Unsupported`, and no signals if its
//! `send_signal` does.
//!
//! The laws speak to the engine. What a program notices is shown by the cases, so a backend
//! passes both. S9 has no test of its own: every panic fails.

pub(crate) mod arming;
pub(crate) mod exits;
pub(crate) mod law;
pub(crate) mod looks;
pub(crate) mod need;
pub(crate) mod pidfds;
pub(crate) mod pollable;
pub(crate) mod processes;
pub(crate) mod reports;
pub(crate) mod signals;
pub(crate) mod subject;

use childwatch_core::source::{ExitSource, PollableSource};

use law::Law;
use need::Need::{ChosenPids, Pidfds, RealProcesses, Signals};

/// A list of laws: each has its module and function, and what it needs.
macro_rules! laws {
    ($($module:ident::$law:ident $([$($need:ident),+])?)*) => {
        vec![$(Law {
            name: stringify!($law),
            needs: &[$($($need),+)?],
            check: $module::$law,
        }),*]
    };
}

/// Those of an [`ExitSource`].
pub(crate) fn of_exit_source<S: ExitSource>() -> Vec<Law<S>> {
    laws! {
        exits::s1_an_exit_is_reported_before_the_arming_or_after
        exits::s2_a_report_names_its_token_whatever_the_order
        exits::s2_exits_that_come_together_are_all_reported
        exits::s2_an_exit_is_reported_where_no_file_can_be_opened
        arming::s3_a_disarmed_process_is_not_reported_and_others_are
        arming::s3_a_places_next_holder_is_another
        exits::s4_a_waking_ends_the_wait_under_way_or_the_next
        arming::s5_a_refused_arming_leaves_nothing
        arming::s5_a_shortage_of_files_leaves_nothing
        arming::s6_callers_arm_look_and_disarm_at_once
        exits::s7_a_report_has_the_status_of_the_child
        looks::s8_a_look_finds_an_exit_and_leaves_its_report
        pidfds::s13_a_pidfd_means_its_process_and_not_the_number [Pidfds, ChosenPids]
        pidfds::s13_a_kept_duplicate_harms_no_later_arming [Pidfds]
        signals::s14_a_signal_reaches_the_armed_process_or_none [Signals]
        looks::a_process_is_reaped_when_somebody_has_waited_for_it
        looks::a_numbers_next_process_is_not_the_one_that_was_armed [ChosenPids]
        arming::an_armed_child_stays_in_its_process_group [RealProcesses]
    }
}

/// Those that a [`PollableSource`] has too.
pub(crate) fn of_pollable_source<S: PollableSource>() -> Vec<Law<S>> {
    laws! {
        pollable::s10_an_exit_makes_the_descriptor_readable_before_the_arming_or_after
        pollable::s10_a_wake_makes_the_descriptor_readable_once
        pollable::s10_nothing_makes_a_descriptor_readable_for_long
        pollable::s11_what_a_collection_leaves_makes_an_edge
        pollable::s12_a_collection_that_finds_nothing_returns
    }
}

#[cfg(test)]
mod tests {
    use childwatch_core::source::PollableSimulatedSource;

    use super::*;

    #[test]
    fn each_law_has_a_test_and_each_test_its_name() {
        let exits = of_exit_source::<PollableSimulatedSource>();
        let mut laws: Vec<_> = exits.iter().map(|law| law.name).collect();
        let pollable = of_pollable_source::<PollableSimulatedSource>();
        laws.extend(pollable.iter().map(|law| law.name));
        // Every panic fails, so S9 has none.
        for number in (1..=14).filter(|&number| number != 9) {
            let tag = format!("s{number}_");
            assert!(laws.iter().any(|name| name.starts_with(&tag)), "{tag}");
        }
        let all = laws.len();
        laws.sort_unstable();
        laws.dedup();
        assert_eq!(laws.len(), all);
    }
}
