//! [`Batch`]: watched children, and how long after their exits their callbacks run.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use childwatch_ptrace_free_tests::kit::crowd::Crowd;

use super::crowd::watch_all;
use super::entrants::WITH_THREADS;
use super::row::{Company, Measure, Row};
use crate::candidates::candidate::Watching;
use crate::candidates::names::FLOOR;
use crate::figures::figure::Figure;
use crate::measuring::outcome::Samples;
use crate::measuring::tally::Tally;
use crate::measuring::turns::Turns;

/// A row that measures how late the callbacks of some watched children run.
pub(super) const fn row(
    name: &'static str,
    title: &'static str,
    figures: &'static [Figure],
    measure: Measure,
) -> Row {
    Row {
        name,
        title,
        size: "children watched",
        figures,
        candidates: WITH_THREADS,
        floor: FLOOR,
        rounds: |_| 6,
        // As for the latency of single exits.
        company: Company::InTurns,
        measure,
    }
}

/// Returns how many of the watched children exit: `most`, or half of them if there are few.
pub(super) fn exits(most: usize, watched: usize) -> usize {
    most.min(watched / 2)
}

/// Watched children whose exits are measured.
pub(super) struct Batch {
    pub(super) crowd: Crowd,
    tally: Tally,
}

/// How late the callbacks of a batch ran, in seconds.
pub(super) struct Lateness {
    /// From each exit to its callback.
    pub(super) each: Vec<f64>,
    /// From the last exit to the last callback.
    pub(super) last: f64,
}

impl Batch {
    /// Watches a crowd. The tally must keep the time of each report.
    pub(super) fn watch(
        watching: &mut dyn Watching,
        (mut crowd, gate): (Crowd, OwnedFd),
        tally: Tally,
    ) -> anyhow::Result<(Self, OwnedFd)> {
        watch_all(watching, &mut crowd, &tally)?;
        Ok((Batch { crowd, tally }, gate))
    }

    /// Waits for all callbacks, and reaps the children that are left. The gate of the children
    /// must be open.
    pub(super) fn finish(mut self) -> anyhow::Result<Lateness> {
        let is_told = self.tally.wait();
        // This comes before an error is returned, because dropping an unreaped member kills
        // its pid. If a callback has reaped the child, another process may have the pid.
        for member in self.crowd.members() {
            member.reap();
        }
        is_told?;
        let mut each = Vec::new();
        let (mut last_left, mut last_told) = (Duration::ZERO, Duration::ZERO);
        for (member, told) in self.crowd.members().iter().zip(self.tally.moments()) {
            let left = member.left_at().context("a child that has not left")?;
            let late = told.checked_sub(left).context("told before the exit")?;
            each.push(late.as_secs_f64());
            (last_left, last_told) = (last_left.max(left), last_told.max(told));
        }
        ensure!(!each.is_empty(), "a batch without children");
        Ok(Lateness {
            each,
            last: last_told.saturating_sub(last_left).as_secs_f64(),
        })
    }
}

/// A candidate takes no more turns once its turns have taken this long.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// Measures a batch in each turn, and adds its lateness to these two series.
pub(super) fn measure_in_turns(
    turns: &mut Turns<'_>,
    most_turns: usize,
    samples: &mut Samples,
    [each, last]: [&str; 2],
    mut measure: impl FnMut() -> anyhow::Result<Lateness>,
) -> anyhow::Result<()> {
    let mut taken = Duration::ZERO;
    for _ in 0..most_turns {
        turns.wait()?;
        let start = Instant::now();
        let lateness = measure()?;
        taken += start.elapsed();
        let values = samples.entry(each.to_owned()).or_default();
        values.extend(lateness.each);
        let values = samples.entry(last.to_owned()).or_default();
        values.push(lateness.last);
        if taken >= LONG_ENOUGH {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use childwatch_core::Pid;

    use super::super::crowd::gather_silent;
    use super::*;
    use crate::candidates;
    use crate::measuring::tally::Told;

    #[test]
    fn each_callback_comes_after_its_exit() {
        let threads = candidates::named("thread").unwrap();
        let mut watching = threads.watch_up_to(2).unwrap();
        let crowd = gather_silent(2).unwrap();
        let (batch, gate) = Batch::watch(&mut *watching, crowd, Tally::of_late(2)).unwrap();
        drop(gate);
        let Lateness { each, last } = batch.finish().unwrap();
        assert_eq!(each.len(), 2);
        assert!(each.iter().all(|late| *late > 0.0));
        assert!(last > 0.0);
    }

    /// Runs each callback at once.
    struct Hasty;

    impl Watching for Hasty {
        fn watch(&mut self, _child: Pid, told: Told) -> anyhow::Result<()> {
            told.tell(None);
            Ok(())
        }
    }

    #[test]
    fn a_callback_before_the_exit_is_an_error() {
        let crowd = gather_silent(1).unwrap();
        let (batch, gate) = Batch::watch(&mut Hasty, crowd, Tally::of_late(1)).unwrap();
        drop(gate);
        let error = batch.finish().err().unwrap().to_string();
        assert_eq!(error, "told before the exit");
    }
}
