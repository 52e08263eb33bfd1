//! [`Cell`]: one case against one backend, in a process of its own, under a
//! deadline.
//!
//! The process is this same program, started anew with [`CELL_FLAG`]: a case may
//! change limits, dispositions and masks, hang, or crash, and harms no other.

use std::env;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};

use crate::backend::BackendUnderTest;
use crate::case::Case;
use crate::deadline::{patience_under, set_patience};
use crate::footprint::{self, Footprint};
use crate::{Stage, sys};

/// The first argument of a program that is to be a cell. Backend, case and the
/// patience of its waits, in milliseconds, follow.
pub const CELL_FLAG: &str = "--childwatch-cell";

/// How long a cell may take, unless its runner says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// What a cell exits with when its case is unsupported; the reason is its output.
const UNSUPPORTED: u8 = 77;

/// One case against one backend.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The backend.
    pub backend: &'a dyn BackendUnderTest,
    /// The case.
    pub case: &'static Case,
}

/// What came of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The clause holds.
    Passed,
    /// It does not: the panic's message, or how the cell ended.
    Failed(String),
    /// The cell was killed at its deadline.
    TimedOut,
    /// The backend or this machine lacks what the case needs.
    Unsupported(String),
}

/// An outcome, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What came of it.
    pub outcome: Outcome,
    /// From the process's start to its end.
    pub elapsed: Duration,
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cell({}, {})", self.backend.name(), self.case.name)
    }
}

impl Cell<'_> {
    /// Runs the case in a process of its own, which is killed, and all that it
    /// has started, at the deadline. `program` must hand its arguments to
    /// [`front::take_part`](crate::front::take_part).
    ///
    /// # Errors
    ///
    /// When the process can't be started or read from.
    pub fn run(&self, program: &Path, deadline: Duration) -> io::Result<Verdict> {
        self.run_unless(program, deadline, || false)
    }

    /// As [`run`](Self::run), but a cell that `is_called_off` does not go on to its
    /// deadline: it counts as timed out then.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_unless(
        &self,
        program: &Path,
        deadline: Duration,
        is_called_off: impl Fn() -> bool,
    ) -> io::Result<Verdict> {
        let start = Instant::now();
        let mut child = Command::new(program)
            .arg(CELL_FLAG)
            .args([self.backend.name(), self.case.name])
            .arg(patience_under(deadline).as_millis().to_string())
            // The panic's message is the reason; run the cell by hand for more.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let output = read_aside(child.stdout.take());
        let errors = read_aside(child.stderr.take());

        let is_over = ends_within(&child, deadline, is_called_off)?;
        // What the cell may have started is of its group, whose number stays the
        // cell's own until it is reaped.
        kill_group(&child);
        let status = child.wait()?;
        let elapsed = start.elapsed();
        let outcome = if is_over {
            outcome(status, &collect(&output), &collect(&errors))
        } else {
            Outcome::TimedOut
        };
        Ok(Verdict { outcome, elapsed })
    }

    /// The cell's own process: runs the case and never returns.
    pub(crate) fn run_here(&self) -> ! {
        // A runner that is killed takes its cells along. It waits for each on the
        // thread that has started it, which is the one whose death counts here.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        if let Err(reason) = self.case.is_supported(self.backend) {
            println!("{reason}");
            std::process::exit(i32::from(UNSUPPORTED));
        }
        footprint::begin_sanitizers_thread();
        let before = Footprint::now();
        (self.case.run)(&Stage::new(self.backend));
        before.is_unchanged();
        std::process::exit(0);
    }
}

/// Waits for the cell's end, and asks now and then whether to go on.
fn ends_within(
    child: &Child,
    deadline: Duration,
    is_called_off: impl Fn() -> bool,
) -> io::Result<bool> {
    const SLICE: Duration = Duration::from_millis(100);
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if sys::waitable_within(child, left.min(SLICE))? {
            return Ok(true);
        }
        if left <= SLICE || is_called_off() {
            return Ok(false);
        }
    }
}

fn outcome(status: ExitStatus, output: &str, errors: &str) -> Outcome {
    match status.code() {
        Some(0) => Outcome::Passed,
        Some(code) if code == i32::from(UNSUPPORTED) => {
            Outcome::Unsupported(output.trim().to_owned())
        }
        _ => {
            let errors = errors.trim();
            let ended = match status.signal() {
                Some(_) => format!("the cell ended by {status}"),
                None => format!("the cell ended with {status}"),
            };
            Outcome::Failed(if errors.is_empty() {
                ended
            } else {
                format!("{errors}\n{ended}")
            })
        }
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // ESRCH: all of it has ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads a pipe on a thread of its own, so that neither fills up.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

/// The pipe's text. A process that escaped the group could hold it open: that
/// must not hold the runner up.
fn collect(text: &mpsc::Receiver<String>) -> String {
    text.recv_timeout(Duration::from_secs(5))
        .unwrap_or_else(|_| "(its output is held open by a process that it left)".to_owned())
}

/// The cell that this process was started to be, if it was.
pub(crate) fn from_args<'a>(backends: &[&'a dyn BackendUnderTest]) -> Option<Cell<'a>> {
    let mut args = env::args().skip(1);
    if args.next()? != CELL_FLAG {
        return None;
    }
    let (backend, case) = (args.next()?, args.next()?);
    set_patience(Duration::from_millis(args.next()?.parse().ok()?));
    Some(Cell {
        backend: *backends.iter().find(|known| known.name() == backend)?,
        case: Case::named(&case)?,
    })
}
