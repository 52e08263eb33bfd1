//! [`Source`]: a source that refuses and fails as a model asks.

use std::collections::HashSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic;
use std::sync::Arc;

use loom::sync::{Condvar, Mutex, MutexGuard};

use super::stage::status;
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;
use crate::source::report::Report;
use crate::source::token::Token;

/// A kernel with processes that are never reaped. Clones are the same kernel.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    armed: Vec<(Pid, Token)>,
    exited: HashSet<Pid>,
    reports: Vec<Report>,
    is_woken: bool,
    no_room_for: HashSet<Pid>,
    waits_to_fail: usize,
    do_reporting_waits_fail: bool,
    do_waits_panic: bool,
    wakes_to_fail: usize,
}

impl Kernel {
    pub(super) fn source(&self) -> Source {
        Source(self.clone())
    }

    pub(super) fn run_out_of_room_for(&self, pid: Pid) {
        self.state().no_room_for.insert(pid);
    }

    /// Makes every wait fail that has not begun.
    pub(super) fn fail_waits(&self) {
        self.state().waits_to_fail = usize::MAX;
    }

    /// Makes so many waits fail, from the next one on. A wait that is under way ends.
    pub(super) fn fail_some_waits(&self, count: usize) {
        let mut state = self.state();
        state.waits_to_fail = count;
        state.is_woken = true;
        self.0.changed.notify_all();
    }

    /// Makes each wait that has reports add them, and then fail.
    pub(super) fn fail_reporting_waits(&self) {
        self.state().do_reporting_waits_fail = true;
    }

    pub(super) fn has_failed_all(&self) -> bool {
        self.state().waits_to_fail == 0
    }

    /// Makes the wait that is under way panic, and each wait after it.
    pub(super) fn panic_in_waits(&self) {
        self.state().do_waits_panic = true;
        self.0.changed.notify_all();
    }

    pub(super) fn fail_wakes(&self, count: usize) {
        self.state().wakes_to_fail = count;
    }

    pub(super) fn exit(&self, pid: Pid) {
        let mut state = self.state();
        state.exited.insert(pid);
        let armed = state.armed.iter().filter(|armed| armed.0 == pid);
        let reports: Vec<_> = armed.map(|armed| report(armed.1)).collect();
        state.reports.extend(reports);
        self.0.changed.notify_all();
    }

    /// Ends the wait, though the engine has not called `wake`.
    pub(super) fn end_wait(&self) {
        self.state().is_woken = true;
        self.0.changed.notify_all();
    }

    /// Waits until the descriptor of a pollable source is readable, as a program's poller does.
    pub(super) fn wait_until_readable(&self) {
        let mut state = self.state();
        while !state.is_readable() {
            state = self.0.changed.wait(state).unwrap();
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        self.state().is_readable()
    }

    pub(super) fn armed(&self) -> usize {
        self.state().armed.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

#[derive(Debug)]
pub(super) struct Source(Kernel);

impl ExitSource for Source {
    type Waiter = ();

    const THREAD_NAME: &'static str = "model";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        let mut state = self.0.state();
        if state.no_room_for.contains(&pid) {
            return Err(WatchError::ResourceLimit {
                operation: "room",
                pid: Some(pid),
                source: io::ErrorKind::OutOfMemory.into(),
            });
        }
        let same_place = |armed: &(Pid, Token)| armed.1.index() == token.index();
        assert!(
            !state.armed.iter().any(same_place),
            "a place has one holder"
        );
        state.armed.push((pid, token));
        if state.exited.contains(&pid) {
            state.reports.push(report(token));
            self.0.0.changed.notify_all();
        }
        Ok(())
    }

    /// Law S3 is checked here and in `arm`. The engine disarms a token once, and only if it is
    /// armed. It gives the slot to another process only after that.
    fn disarm(&self, token: Token) {
        let mut state = self.0.state();
        let place = state.armed.iter().position(|armed| armed.1 == token);
        let place = place.expect("the engine disarms what is armed here");
        state.armed.remove(place);
    }

    fn is_reaped(&self, _token: Token) -> bool {
        false
    }

    fn look(&self, token: Token) -> Option<Report> {
        let state = self.0.state();
        let armed = state.armed.iter().find(|armed| armed.1 == token)?;
        state.exited.contains(&armed.0).then(|| report(token))
    }

    fn wait(&self, _waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        let mut state = self.0.state();
        if let Some(left) = state.waits_to_fail.checked_sub(1) {
            if state.waits_to_fail != usize::MAX {
                state.waits_to_fail = left;
            }
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        while state.reports.is_empty() && !state.is_woken && !state.do_waits_panic {
            state = self.0.0.changed.wait(state).unwrap();
        }
        if state.do_waits_panic {
            drop(state);
            // Without the hook's message, because loom prints its own.
            panic::resume_unwind(Box::new(()));
        }
        state.is_woken = false;
        reports.append(&mut state.reports);
        if state.do_reporting_waits_fail && !reports.is_empty() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        let mut state = self.0.state();
        if let Some(left) = state.wakes_to_fail.checked_sub(1) {
            state.wakes_to_fail = left;
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        state.is_woken = true;
        self.0.0.changed.notify_all();
        Ok(())
    }
}

impl PollableSource for Source {
    fn descriptor<'a>(&'a self, (): &'a ()) -> BorrowedFd<'a> {
        unreachable!("a model waits by `wait_until_readable`")
    }

    fn collect(&self, (): &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        let mut state = self.0.state();
        state.is_woken = false;
        reports.append(&mut state.reports);
        Ok(())
    }
}

impl State {
    fn is_readable(&self) -> bool {
        !self.reports.is_empty() || self.is_woken
    }
}

fn report(token: Token) -> Report {
    Report::new(token, Some(status(0)))
}

pub(super) fn pid(raw: i32) -> Pid {
    Pid::try_from(raw).unwrap()
}
