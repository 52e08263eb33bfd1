//! The real engine over a good source with one law broken, or with a
//! [permitted oddity](crate::odd).

use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Mutex;

use childwatch_core::source::{ExitSource, Report, ThreadedWatcher, Token};
use childwatch_core::{Pid, PidWatcher, WatchError};
use childwatch_pidfd::PidfdSource;
use childwatch_sigchld::SigchldSource;

use super::seldom::Calls;
use childwatch_ptrace_free_tests::SourceUnderTest;
use childwatch_ptrace_free_tests::kit::locked::lock;

/// What a source does wrong: one method, as a rule. The others are the good source's.
pub(crate) trait SourceFault: Debug + Default + Send + Sync + 'static {
    fn start<S: ExitSource>(&self, good: &Good<S>, waiter: &mut S::Waiter) {
        good.start(waiter);
    }

    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)
    }

    fn pidfd<S: ExitSource>(
        &self,
        good: &Good<S>,
        pid: Pid,
        token: Token,
    ) -> Result<OwnedFd, WatchError> {
        good.pidfd(pid, token)
    }

    fn send_signal<S: ExitSource>(
        &self,
        good: &Good<S>,
        pid: Pid,
        token: Token,
        signal: i32,
    ) -> Result<(), WatchError> {
        good.send_signal(pid, token, signal)
    }

    fn disarm<S: ExitSource>(&self, good: &Good<S>, token: Token) {
        good.disarm(token);
    }

    fn is_reaped<S: ExitSource>(&self, good: &Good<S>, token: Token) -> bool {
        good.is_reaped(token)
    }

    fn look<S: ExitSource>(&self, good: &Good<S>, token: Token) -> Option<Report> {
        good.look(token)
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)
    }

    fn wake<S: ExitSource>(&self, good: &Good<S>) -> io::Result<()> {
        good.wake()
    }
}

/// A watcher over a pidfd source with a fault.
pub(crate) fn over_pidfds<F: SourceFault>() -> Result<Box<dyn PidWatcher>, WatchError> {
    childwatch_pidfd::probe().check()?;
    start::<F, _>(PidfdSource::new()?)
}

/// A watcher that tells reapings, over a pidfd source with a fault.
pub(crate) fn until_reaped<F: SourceFault>() -> Result<Box<dyn PidWatcher>, WatchError> {
    start::<F, _>(PidfdSource::until_reaped()?)
}

/// A watcher over a `SIGCHLD` source with a fault.
pub(crate) fn over_sigchld<F: SourceFault>() -> Result<Box<dyn PidWatcher>, WatchError> {
    start::<F, _>(SigchldSource::new()?)
}

/// A watcher over any source with a fault. The source reports resource usages.
pub(crate) fn start<F: SourceFault, S: ExitSource>(
    (source, waiter): (S, S::Waiter),
) -> Result<Box<dyn PidWatcher>, WatchError> {
    source.ask_for_resource_usage();
    let source = FaultySource::<F, _>::new(source);
    Ok(Box::new(ThreadedWatcher::start(source, waiter)?))
}

/// A pidfd source with a fault, for the laws.
pub(crate) fn by_itself<F: SourceFault>(name: &'static str) -> SourceUnderTest {
    SourceUnderTest::new(name, || {
        childwatch_pidfd::probe().check()?;
        let (source, waiter) = PidfdSource::new()?;
        Ok((FaultySource::<F, _>::new(source), waiter))
    })
}

#[derive(Debug)]
struct FaultySource<F, S> {
    fault: F,
    calls: Calls,
    good: Good<S>,
}

impl<F: SourceFault, S: ExitSource> FaultySource<F, S> {
    fn new(source: S) -> Self {
        FaultySource {
            fault: F::default(),
            calls: Calls::default(),
            good: Good::new(source),
        }
    }
}

impl<F: SourceFault, S: ExitSource> ExitSource for FaultySource<F, S> {
    type Waiter = S::Waiter;

    const THREAD_NAME: &'static str = S::THREAD_NAME;

    fn start(&self, waiter: &mut S::Waiter) {
        self.fault.start(&self.good, waiter);
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        if self.calls.is_wrong_now() {
            self.fault.arm(&self.good, pid, token)
        } else {
            self.good.arm(pid, token)
        }
    }

    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.good.pid_of(pidfd)
    }

    fn arm_pidfd(&self, pid: Pid, pidfd: BorrowedFd<'_>, token: Token) -> Result<(), WatchError> {
        self.good.arm_pidfd(pid, pidfd, token)
    }

    fn pidfd(&self, pid: Pid, token: Token) -> Result<OwnedFd, WatchError> {
        if self.calls.is_wrong_now() {
            self.fault.pidfd(&self.good, pid, token)
        } else {
            self.good.pidfd(pid, token)
        }
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        if self.calls.is_wrong_now() {
            self.fault.send_signal(&self.good, pid, token, signal)
        } else {
            self.good.send_signal(pid, token, signal)
        }
    }

    fn disarm(&self, token: Token) {
        if self.calls.is_wrong_now() {
            self.fault.disarm(&self.good, token);
        } else {
            self.good.disarm(token);
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        if self.calls.is_wrong_now() {
            self.fault.is_reaped(&self.good, token)
        } else {
            self.good.is_reaped(token)
        }
    }

    fn look(&self, token: Token) -> Option<Report> {
        if self.calls.is_wrong_now() {
            self.fault.look(&self.good, token)
        } else {
            self.good.look(token)
        }
    }

    fn wait(&self, waiter: &mut S::Waiter, reports: &mut Vec<Report>) -> io::Result<()> {
        if self.calls.is_wrong_now() {
            self.fault.wait(&self.good, waiter, reports)
        } else {
            self.good.wait(waiter, reports)
        }
    }

    fn wake(&self) -> io::Result<()> {
        if self.calls.is_wrong_now() {
            self.fault.wake(&self.good)
        } else {
            self.good.wake()
        }
    }
}

/// A good source that says what it has armed.
#[derive(Debug)]
pub(crate) struct Good<S> {
    source: S,
    armed: Mutex<HashMap<Token, Pid>>,
}

impl<S: ExitSource> Good<S> {
    pub(crate) fn new(source: S) -> Self {
        Good {
            source,
            armed: Mutex::default(),
        }
    }

    /// What is armed now.
    pub(super) fn armed(&self) -> Vec<(Token, Pid)> {
        let armed = lock(&self.armed);
        armed.iter().map(|(token, pid)| (*token, *pid)).collect()
    }

    pub(super) fn pid(&self, token: Token) -> Option<Pid> {
        lock(&self.armed).get(&token).copied()
    }
}

impl<S: ExitSource> ExitSource for Good<S> {
    type Waiter = S::Waiter;

    const THREAD_NAME: &'static str = S::THREAD_NAME;

    fn start(&self, waiter: &mut S::Waiter) {
        self.source.start(waiter);
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        lock(&self.armed).insert(token, pid);
        let armed = self.source.arm(pid, token);
        if armed.is_err() {
            lock(&self.armed).remove(&token);
        }
        armed
    }

    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.source.pid_of(pidfd)
    }

    fn arm_pidfd(&self, pid: Pid, pidfd: BorrowedFd<'_>, token: Token) -> Result<(), WatchError> {
        lock(&self.armed).insert(token, pid);
        let armed = self.source.arm_pidfd(pid, pidfd, token);
        if armed.is_err() {
            lock(&self.armed).remove(&token);
        }
        armed
    }

    fn pidfd(&self, pid: Pid, token: Token) -> Result<OwnedFd, WatchError> {
        self.source.pidfd(pid, token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        self.source.send_signal(pid, token, signal)
    }

    fn disarm(&self, token: Token) {
        lock(&self.armed).remove(&token);
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn wait(&self, waiter: &mut S::Waiter, reports: &mut Vec<Report>) -> io::Result<()> {
        self.source.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.source.wake()
    }
}
