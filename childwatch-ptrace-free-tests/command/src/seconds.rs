//! [`Seconds`]: a duration, as people read it.

use std::fmt;
use std::time::Duration;

/// Shows a duration in seconds, to a tenth.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}
