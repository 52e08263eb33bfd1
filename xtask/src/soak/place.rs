//! [`Place`]: where a soak runs.

use std::fmt;
use std::time::Duration;

use anyhow::Context;

use super::part::Part;
use super::settings::Soak;

pub(super) enum Place {
    /// In a pid namespace with this limit on pids.
    Namespace { pid_max: Option<u32> },
    /// Among the machine's other processes. The text is the reason.
    Plain(String),
}

impl Place {
    /// Tries whether a pid namespace is available and usable.
    pub(super) fn find(is_plain: bool, children: usize) -> anyhow::Result<Self> {
        if is_plain {
            return Ok(Place::Plain("as asked".to_owned()));
        }
        let trial = Soak {
            backend: String::new(),
            seed: 0,
            children,
            threads: 1,
            time: Duration::ZERO,
            patience: Duration::ZERO,
        };
        let tried = Part::Try.command(&trial)?.output().context("a trial")?;
        if tried.status.success() {
            let output = String::from_utf8_lossy(&tried.stdout);
            let pid_max = output.trim().parse().ok();
            return Ok(Place::Namespace { pid_max });
        }
        let errors = String::from_utf8_lossy(&tried.stderr);
        let reason = errors.lines().next().unwrap_or("no reason is given");
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        Ok(Place::Plain(reason.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Namespace { pid_max } => {
                write!(f, "in a pid namespace of its own")?;
                match pid_max {
                    Some(pid_max) => write!(f, ", where numbers end at {pid_max}"),
                    None => Ok(()),
                }
            }
            Place::Plain(reason) => write!(
                f,
                "without a pid namespace, so numbers hardly come back: {reason}"
            ),
        }
    }
}
