//! [`Way`]: which watcher a program gets, and how it is made.

use std::fmt;
use std::process::Command;

/// A watcher of a backend. It is made as the program begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) backend: &'static str,
    /// The watcher is made while `SIGCHLD` is blocked. This is the way around for programs in which
    /// `SIGCHLD` must not go to the watcher's thread during a callback.
    pub(super) blocked: bool,
}

impl Way {
    pub(super) fn all(backends: &[&'static str]) -> Vec<Way> {
        let both = |&backend| [false, true].map(|blocked| Way { backend, blocked });
        backends.iter().flat_map(both).collect()
    }

    /// Returns `true` if the watcher has a handler of `SIGCHLD`.
    pub(super) fn listens_to_sigchld(&self) -> bool {
        !self.backend.starts_with("pidfd") && !self.backend.starts_with("simulated")
    }

    /// Returns `true` if the watcher keeps descriptors open.
    pub(super) fn has_descriptors(&self) -> bool {
        !["sigchld", "sigchld-no-heartbeat", "forwarded", "simulated"].contains(&self.backend)
    }

    /// Sets the variables that the library reads.
    pub(super) fn prepare(&self, command: &mut Command) {
        command.env("PRELOADED_WATCHER", self.backend);
        if self.blocked {
            command.env("PRELOADED_BLOCKED", "1");
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.backend)?;
        if self.blocked {
            f.write_str(", blocked")?;
        }
        Ok(())
    }
}
