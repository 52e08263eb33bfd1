//! [`Turns`]: how a slice takes turns with others that run at the same time.
//!
//! The slice writes the line [`WAITING`] and waits for a byte. The byte begins its turn, which
//! lasts until the slice waits again or exits.
//!
//! The run's part is in `rounds/running.rs`.

use std::io::{BufRead, Write};

use anyhow::Context;

/// The line of a slice that waits for its turn.
pub(crate) const WAITING: &[u8] = b"waiting\n";
/// The answer, which begins the turn.
pub(crate) const GO: u8 = b'.';

/// The streams of a slice that takes turns.
pub(crate) struct Turns<'a> {
    pub(crate) given: &'a mut dyn BufRead,
    pub(crate) asked: &'a mut dyn Write,
}

impl Turns<'_> {
    /// Ends the current turn of this slice, if it has one, and waits for the next.
    ///
    /// Returns an error if the run has ended.
    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        self.asked.write_all(WAITING)?;
        self.asked.flush()?;
        self.given
            .read_exact(&mut [0])
            .context("no turn: the run has ended")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_is_asked_for_and_given() {
        let mut given: &[u8] = &[GO; 2];
        let mut asked = Vec::new();
        let mut turns = Turns {
            given: &mut given,
            asked: &mut asked,
        };
        assert!(turns.wait().is_ok());
        assert!(turns.wait().is_ok());
        assert!(turns.wait().is_err(), "a turn that nobody gave");
        assert_eq!(asked, WAITING.repeat(3));
    }
}
