//! [`PollingSource`]: looks at each child again and again.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::process;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use childwatch_core::source::{ExitSource, Report, Token, exit_status_from_siginfo};
use childwatch_core::{Pid, WatchError};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// The time between two looks at all children. It bounds how late an exit is reported.
const INTERVAL: Duration = Duration::from_millis(5);

/// An [`ExitSource`] of children that polls.
#[derive(Debug, Default)]
pub struct PollingSource {
    state: Mutex<State>,
    /// Ends a wait: something was armed, or `wake` was called.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    armed: HashMap<Token, Armed>,
    /// `true` if `wake` was called after the last wait (S4).
    is_woken: bool,
}

/// A child, and what tells it from a later child with the same pid.
#[derive(Clone, Copy, Debug)]
struct Armed {
    pid: Pid,
    /// In ticks since boot, as `/proc` shows it.
    started: u64,
    is_reported: bool,
}

/// What one look at a child shows.
enum Look {
    Lives,
    Exited(ExitStatus),
    /// The program has reaped the child, so its status is not known any more.
    Reaped,
}

impl PollingSource {
    /// Makes the source.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](WatchError::Unsupported) if `/proc` is not this process's own.
    pub fn new() -> Result<Self, WatchError> {
        let unsupported = |source| WatchError::Unsupported {
            operation: "reading /proc/self/stat",
            pid: None,
            source,
        };
        let stat = read("/proc/self/stat").map_err(|error| {
            if is_shortage(&error) {
                return shortage(None, error);
            }
            unsupported(error)
        })?;
        let shown = stat.split(' ').next();
        if shown != Some(&process::id().to_string()) {
            return Err(unsupported(io::ErrorKind::Unsupported.into()));
        }
        Ok(PollingSource::default())
    }

    /// A panic under the lock leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExitSource for PollingSource {
    type Waiter = ();

    const THREAD_NAME: &'static str = "polling";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        let started = Kin::of(pid)?.started;
        let mut state = self.state();
        let armed = Armed {
            pid,
            started,
            is_reported: false,
        };
        state.armed.insert(token, armed);
        self.changed.notify_one();
        Ok(())
    }

    fn disarm(&self, token: Token) {
        self.state().armed.remove(&token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        let armed = self.state().armed.get(&token).copied();
        armed.is_none_or(|armed| matches!(armed.look(), Look::Reaped))
    }

    fn look(&self, token: Token) -> Option<Report> {
        let armed = self.state().armed.get(&token).copied()?;
        armed.report(token)
    }

    fn wait(&self, _: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        let mut state = self.state();
        if !state.is_woken {
            state = match state.armed.values().all(|armed| armed.is_reported) {
                // Nothing is to be looked at until something is armed.
                true => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                false => {
                    let waited = self.changed.wait_timeout(state, INTERVAL);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.is_woken = false;
        // The looks are made without the lock, because callers arm and disarm meanwhile. A report
        // of a token that was disarmed is harmless (S2).
        let armed: Vec<_> = state
            .armed
            .iter()
            .map(|(token, armed)| (*token, *armed))
            .collect();
        drop(state);
        let unreported = armed.into_iter().filter(|(_, armed)| !armed.is_reported);
        let found: Vec<_> = unreported
            .filter_map(|(token, armed)| armed.report(token))
            .collect();
        let mut state = self.state();
        for report in &found {
            if let Some(armed) = state.armed.get_mut(&report.token) {
                armed.is_reported = true;
            }
        }
        reports.extend(found);
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        self.state().is_woken = true;
        self.changed.notify_one();
        Ok(())
    }
}

impl Armed {
    fn report(self, token: Token) -> Option<Report> {
        match self.look() {
            Look::Lives => None,
            Look::Exited(status) => Some(Report::new(token, Some(status))),
            Look::Reaped => Some(Report::new(token, None)),
        }
    }

    fn look(self) -> Look {
        match peek(self.pid) {
            Err(Errno::CHILD) => Look::Reaped,
            // Another child has the pid. Where the file cannot be read, nothing shows a reuse.
            _ if started(self.pid).is_ok_and(|started| started != self.started) => Look::Reaped,
            Ok(Some(status)) => Look::Exited(status),
            Ok(None) | Err(_) => Look::Lives,
        }
    }
}

/// The child of this process that has a pid.
struct Kin {
    started: u64,
}

impl Kin {
    /// # Errors
    ///
    /// The errors of [`ExitSource::arm`].
    fn of(pid: Pid) -> Result<Self, WatchError> {
        if u32::try_from(pid.as_raw()) == Ok(process::id()) {
            return Err(WatchError::OwnProcess { pid });
        }
        let refused = |error: io::Error| match error.kind() {
            _ if is_shortage(&error) => shortage(Some(pid), error),
            io::ErrorKind::NotFound => WatchError::NoSuchProcess {
                pid,
                source: Some(error),
            },
            _ if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {
                WatchError::NoSuchProcess {
                    pid,
                    source: Some(error),
                }
            }
            _ => WatchError::Os {
                operation: "reading /proc",
                pid: Some(pid),
                source: error,
            },
        };
        let status = read(&format!("/proc/{pid}/status")).map_err(refused)?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::trim)
        };
        if field("Tgid:") != Some(&pid.to_string()) {
            // It is the id of a thread.
            return Err(WatchError::NoSuchProcess { pid, source: None });
        }
        if field("PPid:") != Some(&process::id().to_string()) {
            return Err(WatchError::NotAChild { pid, source: None });
        }
        let started = started(pid).map_err(refused)?;
        match peek(pid) {
            Err(Errno::CHILD) => Err(WatchError::NoSuchProcess { pid, source: None }),
            _ => Ok(Kin { started }),
        }
    }
}

/// Returns when the process with this pid has started, in ticks since boot.
fn started(pid: Pid) -> io::Result<u64> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The name of the program is in parentheses, and may have any character in it. The start is
    // field 22, and the first field after the name is field 3.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let field = fields.and_then(|fields| fields.split(' ').nth(22 - 3));
    field
        .and_then(|started| started.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads a file of `/proc`. The name of a program in it need not be UTF-8.
fn read(path: &str) -> io::Result<String> {
    let bytes = fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Asks for the exit of a child, without waiting and without reaping. `__WALL` includes children
/// whose exit sends no `SIGCHLD`.
fn peek(pid: Pid) -> Result<Option<ExitStatus>, Errno> {
    const WALL: u32 = 0x4000_0000;
    let options = WaitIdOptions::EXITED
        | WaitIdOptions::NOHANG
        | WaitIdOptions::NOWAIT
        | WaitIdOptions::from_bits_retain(WALL);
    let number = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(Errno::CHILD)?;
    let found = waitid(WaitId::Pid(number), options)?;
    Ok(found.and_then(|found| {
        let value = found.exit_status().or(found.terminating_signal())?;
        exit_status_from_siginfo(found.raw_code(), value)
    }))
}

/// Returns `true` if the kernel or the process has no more of something at the moment.
fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

fn shortage(pid: Option<Pid>, source: io::Error) -> WatchError {
    WatchError::ResourceLimit {
        operation: "reading /proc",
        pid,
        source,
    }
}
