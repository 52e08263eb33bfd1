//! [`Phase`] and [`When`]: in which part of a watcher's life a call is refused, and which
//! of its repeats.

use std::fmt;
use std::str::FromStr;

/// A part of a watcher's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The watcher is being made, until its threads wait.
    Making,
    /// Processes are registered, and some refused.
    Registering,
    /// Processes exit, and are reported.
    Telling,
    /// Callbacks are registered for an exit that has been reported.
    Late,
    /// Pidfds are offered and asked for, and a process is signalled.
    Acting,
    /// Callbacks and processes are unregistered.
    Unregistering,
    /// The watcher is dropped.
    Dropping,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 7] = [
        Phase::Making,
        Phase::Registering,
        Phase::Telling,
        Phase::Late,
        Phase::Acting,
        Phase::Unregistering,
        Phase::Dropping,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Making => "making",
            Phase::Registering => "registering",
            Phase::Telling => "telling",
            Phase::Late => "late callback",
            Phase::Acting => "acting",
            Phase::Unregistering => "unregistering",
            Phase::Dropping => "dropping",
        }
    }
}

/// Which of a phase's calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// This one alone, counted from 1.
    Nth(u32),
    /// Each, until the phase is over.
    Lasting,
    /// Each from here to the watcher's end.
    ForGood,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Phase::ALL.into_iter().find(|phase| phase.name() == text);
        named.ok_or_else(|| format!("{text:?} is no phase"))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Nth(number) => write!(f, "{number}"),
            When::Lasting => f.write_str("lasting"),
            When::ForGood => f.write_str("for-good"),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lasting" => Ok(When::Lasting),
            "for-good" => Ok(When::ForGood),
            number => number
                .parse()
                .map(When::Nth)
                .map_err(|_| format!("{text:?} is no number of a call")),
        }
    }
}
