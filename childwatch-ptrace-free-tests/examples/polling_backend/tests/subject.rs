//! The backend as the suite sees it.

use std::time::Duration;

use childwatch_core::{PidWatcher, WatchError};
use childwatch_ptrace_free_tests::{BackendUnderTest, Feature};
use polling_backend::{PollingSource, PollingWatcher};

/// The backend that polls.
pub(crate) struct Polling;

impl BackendUnderTest for Polling {
    fn name(&self) -> &'static str {
        "polling"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(PollingWatcher::new()?))
    }

    fn is_available(&self) -> Result<(), String> {
        PollingSource::new()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// What it cannot do, each with the reason that a report shows. If the suite
    /// gets a new feature, this backend does not offer it until somebody has tried.
    fn offers(&self, feature: Feature) -> Result<(), String> {
        let reason = match feature {
            Feature::RealProcesses
            | Feature::ChildrenOnly
            | Feature::SilentExits
            | Feature::FileToRegister
            | Feature::NoSignalHandler
            | Feature::NoHandlerOfTheProgram
            | Feature::NoHandlerAtFirst
            | Feature::WithoutPidfds
            | Feature::SignalsLeft
            | Feature::BlockedSignals
            | Feature::OwnThread => return Ok(()),
            Feature::WithoutProc => "it reads /proc, which must be the program's own",
            Feature::CheapExits => "it looks at each child again and again",
            Feature::NonChildren => "it watches children only",
            Feature::ChildSignal | Feature::Forwarding => "it polls, and takes no signals",
            Feature::FilePerProcess => "it opens files for moments only",
            Feature::NoFilesInBetween => "it reads a file of /proc at each look",
            Feature::PidfdsOnly => "it uses no pidfds",
            Feature::StatusAfterReaping => "waitid tells no status after reaping",
            Feature::NoThread => "it has a thread",
            Feature::Driver => "its own thread drives",
            _ => "nobody has tried it",
        };
        Err(reason.to_owned())
    }

    /// A tick, as `/proc` shows it.
    fn unit_of_start_times(&self) -> Duration {
        Duration::from_millis(10)
    }
}
