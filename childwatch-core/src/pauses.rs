//! [`Pauses`]: how long to leave a source alone that cannot wait.
//!
//! A wait fails only for what a sandbox forbids or for memory short in the kernel.
//! Exits are not lost meanwhile, only late: the kernel keeps them.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);

/// Ever longer pauses between tries.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) const fn new() -> Self {
        Pauses(SHORTEST)
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
        let mut pauses = Pauses::new();
        assert_eq!(pauses.next_pause(), SHORTEST);
        assert_eq!(pauses.next_pause(), SHORTEST * 2);
        assert_eq!(pauses.next_pause(), SHORTEST * 4);
        for _ in 0..20 {
            pauses.next_pause();
        }
        assert_eq!(pauses.next_pause(), LONGEST);
    }
}
