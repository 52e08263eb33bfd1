//! [`Trial`]: a watcher's life with one fault in it, in a process of its own.

use std::env;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::board::Board;
use super::fault::Fault;
use super::notices;
use super::scenario::live;
use super::table::CALLS;
use crate::backends::{FallbackDriven, Pidfd, PidfdDriven, PidfdOrSigchld, Sigchld, SigchldDriven};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::alone;
use childwatch_ptrace_free_tests::kit::deadline::{patience_under, set_patience};
use childwatch_ptrace_free_tests::kit::sys::permits;

/// The backends that faults are planted in. The third and the last are `FallbackWatcher`, for
/// which every second process spills over.
pub static BACKENDS: [&dyn BackendUnderTest; 6] = [
    &Pidfd,
    &Sigchld,
    &PidfdOrSigchld,
    &PidfdDriven,
    &SigchldDriven,
    &FallbackDriven,
];

/// The first argument of a program that is to be a trial. Backend and patience follow, and
/// what the fault is, if there is one.
const TRIAL_FLAG: &str = "--childwatch-fault";

/// The exit code of a trial that shows nothing about its fault.
const OVERTAKEN: i32 = 78;

/// A backend, and the fault, if any, that its watcher lives with.
#[derive(Clone, Copy)]
pub struct Trial {
    /// The backend.
    pub backend: &'static dyn BackendUnderTest,
    /// The fault.
    pub fault: Option<Fault>,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The watcher did one of the things that it may do; which, in a few words.
    Lived(String),
    /// It did not.
    Wrong(String),
    /// Faults can't be planted here, and why not.
    Unsupported(String),
}

/// Every trial of these backends: one without a fault, and one for each fault.
#[must_use]
pub fn planned(backends: &[&'static dyn BackendUnderTest]) -> Vec<Trial> {
    let of = |&backend: &&'static dyn BackendUnderTest| {
        let faults = CALLS
            .iter()
            .flat_map(|call| call.faults_with(backend.name()));
        let faults = faults.map(Some);
        std::iter::once(None)
            .chain(faults)
            .map(move |fault| Trial { backend, fault })
            .collect::<Vec<_>>()
    };
    backends.iter().flat_map(of).collect()
}

/// Whether faults can be planted here. It changes nothing.
///
/// # Errors
///
/// Returns the reason, which the report shows.
pub fn can_be_planted() -> Result<(), String> {
    notices::may_listen_to_calls().map_err(super::driver::explain)
}

/// Whether what comes out here is what comes out elsewhere, word for word.
///
/// # Errors
///
/// Returns the reason, which the report shows.
pub fn can_be_compared() -> Result<(), String> {
    if !cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        return Err("libc makes other calls on other machines than x86-64 with glibc".to_owned());
    }
    permits::kernel_is_at_least(6, 15)
        .map_err(|release| format!("Linux {release} tells no status of a child that was reaped"))
}

impl Trial {
    /// Runs it in a process of its own, which is killed at the deadline. `program` must
    /// hand its arguments to [`front::take_part`](crate::front::take_part).
    ///
    /// # Errors
    ///
    /// When the process can't be started or read from.
    pub fn run(&self, program: &Path, deadline: Duration) -> io::Result<Outcome> {
        let start = Instant::now();
        loop {
            if let Some(outcome) = self.run_once(program, deadline)? {
                return Ok(outcome);
            }
            if start.elapsed() > deadline {
                return Ok(Outcome::Wrong("each time, it showed nothing".to_owned()));
            }
        }
    }

    /// `None` if the watcher overtook its fault.
    fn run_once(&self, program: &Path, deadline: Duration) -> io::Result<Option<Outcome>> {
        let patience = patience_under(deadline).as_millis().to_string();
        let mut arguments = vec![
            TRIAL_FLAG.to_owned(),
            self.backend.name().to_owned(),
            patience,
        ];
        if let Some(fault) = &self.fault {
            arguments.extend([
                fault.call.name.to_owned(),
                fault.errno.raw_os_error().to_string(),
                fault.phase.to_string(),
                fault.when.to_string(),
            ]);
        }
        let ended = alone::run(program, arguments.iter().map(String::as_str), deadline)?;
        let output = ended.output.trim().to_owned();
        Ok(Some(match ended.status {
            None => Outcome::Wrong(format!("killed after {:?}", ended.elapsed)),
            Some(status) if status.success() => Outcome::Lived(output),
            Some(status) if status.code() == Some(alone::UNSUPPORTED.into()) => {
                Outcome::Unsupported(output)
            }
            Some(status) if status.code() == Some(OVERTAKEN) => return Ok(None),
            Some(status) => Outcome::Wrong(alone::explain(status, &ended.errors)),
        }))
    }

    /// The trial's own process.
    fn run_here(&self) -> ! {
        alone::end_with_the_runner();
        self.has_what_it_takes()
            .unwrap_or_else(|reason| skip(&reason));
        let has_panicked = Arc::new(AtomicBool::new(false));
        note_panics(Arc::clone(&has_panicked));
        let board = Arc::new(Board::new(self.fault));
        let observed =
            live(self.backend, self.fault, &board).unwrap_or_else(|reason| skip(&reason));
        assert!(!has_panicked.load(Ordering::SeqCst), "a thread panicked");
        self.assert_met(&board);
        if observed.is_overtaken() {
            std::process::exit(OVERTAKEN);
        }
        println!("{observed}");
        std::process::exit(0);
    }

    /// What fails without a fault says nothing about one.
    fn has_what_it_takes(&self) -> Result<(), String> {
        self.backend.is_available()?;
        if self.backend.name().starts_with("fallback") {
            return Pidfd.is_available();
        }
        Ok(())
    }

    /// Checks that the fault came up; without one, that every call is known.
    fn assert_met(&self, board: &Board) {
        if let Some(fault) = self.fault {
            let is_due = fault.call.limit.is_none();
            assert!(board.failed() > 0 || !is_due, "the call was never made");
            return;
        }
        let unknown: Vec<_> = board.unknown().collect();
        assert!(
            unknown.is_empty(),
            "system calls that are neither in the table nor exempt, by number: {unknown:?}"
        );
    }
}

fn skip(reason: &str) -> ! {
    println!("{reason}");
    std::process::exit(alone::UNSUPPORTED.into());
}

/// A callback's panic, and a thread's, would go no further than the hook.
fn note_panics(has_panicked: Arc<AtomicBool>) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        has_panicked.store(true, Ordering::SeqCst);
        report(panic);
    }));
}

/// Becomes the trial that this process was started to be, and never returns then.
pub(crate) fn take_part() {
    if let Some(trial) = from_args() {
        trial.run_here();
    }
}

fn from_args() -> Option<Trial> {
    let mut args = env::args().skip(1);
    if args.next()? != TRIAL_FLAG {
        return None;
    }
    let name = args.next()?;
    set_patience(Duration::from_millis(args.next()?.parse().ok()?));
    let fault = args.next().and_then(|call| {
        Some(Fault {
            call: CALLS.iter().find(|known| known.name == call)?,
            errno: Errno::from_raw_os_error(args.next()?.parse().ok()?),
            phase: args.next()?.parse().ok()?,
            when: args.next()?.parse().ok()?,
        })
    });
    Some(Trial {
        backend: *BACKENDS.iter().find(|known| known.name() == name)?,
        fault,
    })
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial")
            .field("backend", &self.backend.name())
            .field("fault", &self.fault)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::faults::when::{Phase, When};

    #[test]
    fn no_two_calls_have_one_name_and_each_is_made_with_some_backend() {
        let names: BTreeSet<_> = CALLS.iter().map(|call| call.name).collect();
        assert_eq!(names.len(), CALLS.len());
        for call in CALLS {
            let mut backends = BACKENDS.iter();
            assert!(
                backends.any(|backend| !call.made_with(backend.name()).is_empty()),
                "{}",
                call.name
            );
        }
    }

    #[test]
    fn what_passes_fails_one_call_only() {
        let trials = planned(&BACKENDS);
        for fault in trials.iter().filter_map(|trial| trial.fault) {
            let lasts = !matches!(fault.when, When::Nth(_));
            assert!(!lasts || fault.errno != Errno::INTR, "{fault:?}");
        }
        let lasting = trials.iter().filter_map(|trial| trial.fault);
        assert!(lasting.filter(|fault| fault.when == When::ForGood).count() > 100);
    }

    #[test]
    fn a_phase_and_a_when_are_read_back_as_written() {
        for fault in planned(&BACKENDS).iter().filter_map(|trial| trial.fault) {
            assert_eq!(fault.phase.to_string().parse(), Ok(fault.phase));
            assert_eq!(fault.when.to_string().parse(), Ok(fault.when));
        }
        assert!("next".parse::<Phase>().is_err());
        assert!("first".parse::<When>().is_err());
    }
}
