//! [`Turns`]: a slice's part in taking turns with others that are there at the same time.
//!
//! The slice writes a line, [`WAITING`], and waits for a byte. That is its turn, which lasts
//! until it waits again or has ended. The run's part is in [`running`](crate::rounds::running).

use std::io::{BufRead, Write};

use anyhow::Context;

/// What a slice says when it waits for its turn.
pub(crate) const WAITING: &[u8] = b"waiting\n";
/// What it is answered.
pub(crate) const GO: u8 = b'.';

/// Where turns are asked for and given.
pub(crate) struct Turns<'a> {
    pub(crate) given: &'a mut dyn BufRead,
    pub(crate) asked: &'a mut dyn Write,
}

impl Turns<'_> {
    /// Ends this slice's turn, if it has had one, and waits for the next.
    ///
    /// An error when there is nobody left to give it.
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
