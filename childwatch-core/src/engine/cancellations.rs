//! [`Cancellations`]: remembers which callbacks were cancelled. A caller that cancels such a
//! callback again must not get the answer `HasRun`.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

/// How many are remembered.
pub(crate) const REMEMBERED: usize = 1024;

/// The youngest cancelled callbacks, at most [`REMEMBERED`] of them.
///
/// The ids of callbacks grow, so the younger callback has the greater id. The oldest id is
/// forgotten first. So only ids up to the last one forgotten are in doubt.
#[derive(Debug)]
pub(crate) struct Cancellations {
    youngest: BTreeSet<NonZeroU64>,
    /// The greatest id that has been forgotten, and 0 at first.
    forgotten: u64,
}

impl Cancellations {
    pub(crate) const fn new() -> Self {
        Cancellations {
            youngest: BTreeSet::new(),
            forgotten: 0,
        }
    }

    /// Remembers that a callback was cancelled.
    pub(crate) fn note(&mut self, id: NonZeroU64) {
        if id.get() <= self.forgotten {
            return;
        }
        self.youngest.insert(id);
        if self.youngest.len() > REMEMBERED {
            if let Some(oldest) = self.youngest.pop_first() {
                self.forgotten = oldest.get();
            }
        }
    }

    /// Returns `true` if the callback is known not to have been cancelled.
    pub(crate) fn excludes(&self, id: NonZeroU64) -> bool {
        id.get() > self.forgotten && !self.youngest.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    #[test]
    fn what_was_cancelled_is_never_excluded_and_what_is_younger_is_known_exactly() {
        let mut cancelled = Cancellations::new();
        // Every second one, the oldest last.
        for number in (1..=2 * REMEMBERED as u64).rev().filter(|n| n % 2 == 0) {
            cancelled.note(id(number));
        }
        for number in 1..=2 * REMEMBERED as u64 {
            assert_eq!(cancelled.excludes(id(number)), number % 2 == 1, "{number}");
        }
        // One more, and the two oldest numbers are in doubt.
        cancelled.note(id(5_000));
        assert!(!cancelled.excludes(id(1)));
        assert!(!cancelled.excludes(id(2)));
        assert!(cancelled.excludes(id(3)));
        assert!(!cancelled.excludes(id(4)));
        assert!(!cancelled.excludes(id(5_000)));
        // An old one costs no younger one its place.
        cancelled.note(id(1));
        assert!(cancelled.excludes(id(3)));
        // What was forgotten before stays in doubt.
        assert!(!cancelled.excludes(id(2)));
        assert_eq!(cancelled.youngest.len(), REMEMBERED);
    }
}
