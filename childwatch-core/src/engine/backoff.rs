//! [`Backoff`]: how long to pause after a call of a source that has failed.
//!
//! A wait fails only if a sandbox forbids it, or if the kernel is short of memory. No exit is
//! lost during the pause, because the kernel keeps it. The exit is only reported later.

use std::io;
use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);

/// Each failure doubles the pause, up to the longest. A success makes it the shortest again.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Backoff(SHORTEST)
    }

    /// Returns the pause to make after a wait has ended, or `None` without a pause.
    ///
    /// A wait that a signal has interrupted counts neither as a failure nor as a success.
    pub(crate) fn after(&mut self, waited: &io::Result<()>) -> Option<Duration> {
        match waited {
            Ok(()) => {
                *self = Backoff::new();
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(_) => Some(self.next_pause()),
        }
    }

    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut pauses = Backoff::new();
        assert_eq!(pauses.next_pause(), SHORTEST);
        assert_eq!(pauses.next_pause(), SHORTEST * 2);
        assert_eq!(pauses.next_pause(), SHORTEST * 4);
        for _ in 0..20 {
            pauses.next_pause();
        }
        assert_eq!(pauses.next_pause(), LONGEST);
    }

    #[test]
    fn a_success_makes_the_next_pause_short_and_an_interruption_changes_nothing() {
        let failed = || Err(io::ErrorKind::OutOfMemory.into());
        let mut pauses = Backoff::new();
        for _ in 0..3 {
            assert_eq!(pauses.after(&failed()), Some(SHORTEST));
            assert_eq!(pauses.after(&failed()), Some(SHORTEST * 2));
            let interrupted = Err(io::ErrorKind::Interrupted.into());
            assert_eq!(pauses.after(&interrupted), None);
            assert_eq!(pauses.after(&failed()), Some(SHORTEST * 4));
            assert_eq!(pauses.after(&Ok(())), None);
        }
    }
}
