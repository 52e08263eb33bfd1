//! [`PidfdSource`]: which pidfds are armed in epoll, and what their events mean.
//!
//! # From event to report
//!
//! A readable pidfd is not always waitable: while a tracer holds the zombie,
//! `waitid` has nothing to tell (Linux 5.10 to 6.18). So each event is confirmed
//! by [`zombie::look`]. One that can't be stays armed: mio's registrations are
//! edge-triggered, so nothing spins, and the tracer's letting go is a second edge.
//!
//! A child that is reaped at the very time of the look stays armed too, until the kernel
//! has stored its status: [`release`](crate::release) has the argument.
//!
//! # Tokens
//!
//! An epoll event carries the engine's [`Token`] and nothing else; `armed` has the
//! pidfd for it, if the generation is still the same. An event of a watch that has
//! been disarmed since finds nothing. Such events are real: reaping gives a second
//! edge since Linux 6.9.
//!
//! # Disarming
//!
//! Closing ends a registration by itself, unless a forked copy of the process holds
//! the pidfd too. So the watch of a living process is ended by `EPOLL_CTL_DEL` before
//! `close`. Once the exit is confirmed the one event has come, and all that a copy can
//! keep is an entry in the kernel, for as long as it keeps the fd: that system call is
//! saved (6 % of what an exit costs). A forked copy itself never disarms: its epoll
//! instance is the parent's.
//!
//! # Waking
//!
//! `EPOLL_CTL_MOD` on a file that is readable makes an event, each time. So the watcher is
//! woken by that call, on an eventfd that is always readable, and nothing is ever written.
//! The kernel looks the file up by its number and by the file itself. If the program has
//! closed the descriptors of the watcher, and their numbers belong to other files by now,
//! the call fails and those files are left alone. It costs no more than a write does.
//!
//! # Without a thread
//!
//! The descriptor of a driven watcher is the epoll instance itself. The kernel shows it as
//! readable as long as an event is queued there. An event leaves the queue when it is taken,
//! because all registrations are edge-triggered, and when its registration is deleted. If as many
//! events are taken as fit, there may be more, and a wake gives the program's poller a new edge.
//! Deadlines of [`Releases`] need a timer, which is made when there is the first one.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use childwatch_core::source::{ExitSource, PollableSource, Report, Token, TokenTable, keep_clear};
use childwatch_core::{Pid, WatchError};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::errno::{self, Call};
use crate::readable;
use crate::release::Releases;
use crate::timer::{Timer, WAKE};
use crate::zombie::{self, Zombie};

/// Exits taken from the kernel at a time: as many as stay in the cache between the event
/// and its callback.
const EVENTS_A_WAIT: usize = 128;

/// What an eventfd never has.
const SILENT: Interest = Interest::PRIORITY;

/// The [`ExitSource`] behind [`PidfdWatcher`](crate::PidfdWatcher), for a
/// [`Fallback`](childwatch_core::Fallback).
pub struct PidfdSource {
    registry: Registry,
    /// An eventfd that is always readable.
    bell: OwnedFd,
    /// The armed pidfds.
    ///
    /// Held over one `waitid` at a time, so that the fd looked at is the one that
    /// was armed, and never over a wait. Nothing else is locked under it.
    armed: Mutex<TokenTable<Armed>>,
    own_pid: u32,
    /// Set once the kernel has been seen to wait for pidfds. A refusal is not kept: it may
    /// pass.
    waits_for_pidfds: OnceLock<()>,
}

/// The half of a [`PidfdSource`] that only the watcher's thread uses.
#[derive(Debug)]
pub struct PidfdWaiter {
    poll: Poll,
    events: Events,
    releases: Releases,
    timer: Timer,
}

/// What an event of an armed process means.
#[derive(Debug)]
enum Confirmed {
    /// The process has exited.
    Exit(Report),
    /// The status is not stored yet; an event follows.
    BeingReleased,
    /// The event is stale, the exit is reported already, or the process is not waitable
    /// yet.
    Nothing,
}

#[derive(Debug)]
struct Armed {
    pidfd: OwnedFd,
    /// It has been confirmed.
    has_exited: bool,
}

impl PidfdSource {
    /// A source that watches nothing yet. It can be made where the kernel does not
    /// offer pidfds, and refuses each process then.
    ///
    /// # Errors
    ///
    /// [`ResourceLimit`](WatchError::ResourceLimit),
    /// [`Unsupported`](WatchError::Unsupported) where there is no epoll or eventfd, or
    /// [`Os`](WatchError::Os).
    pub fn new() -> Result<(Self, PidfdWaiter), WatchError> {
        let failed = |call| move |error: io::Error| errno::refuse(None, call, error);
        let poll = keep_clear(Poll::new).map_err(failed(Call::EpollCreate))?;
        let registry =
            keep_clear(|| poll.registry().try_clone()).map_err(failed(Call::EpollCreate))?;
        let bell = keep_clear(|| eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK))
            .map_err(|errno| failed(Call::Eventfd)(errno.into()))?;
        registry
            .register(&mut SourceFd(&bell.as_raw_fd()), WAKE, SILENT)
            .map_err(failed(Call::Eventfd))?;
        let source = PidfdSource {
            registry,
            bell,
            armed: Mutex::default(),
            own_pid: std::process::id(),
            waits_for_pidfds: OnceLock::new(),
        };
        let events = Events::with_capacity(EVENTS_A_WAIT);
        let releases = Releases::default();
        let waiter = PidfdWaiter {
            poll,
            events,
            releases,
            timer: Timer::default(),
        };
        Ok((source, waiter))
    }

    /// What an event of `token` means.
    fn confirm(&self, token: Token) -> Confirmed {
        let mut armed = self.lock();
        let Some(Armed { pidfd, has_exited }) = armed.get_mut(token) else {
            return Confirmed::Nothing;
        };
        if *has_exited {
            return Confirmed::Nothing;
        }
        match zombie::look(pidfd, self.own_pid) {
            Zombie::Exited(status) => {
                *has_exited = true;
                Confirmed::Exit(Report::new(token, status))
            }
            // The event itself is of the pidfd, and says that the process has exited.
            Zombie::NoPidfd => {
                *has_exited = true;
                let status = None;
                Confirmed::Exit(Report::new(token, status))
            }
            Zombie::NotWaitable => Confirmed::Nothing,
            Zombie::BeingReleased => Confirmed::BeingReleased,
        }
    }

    /// Reports a child whose release takes too long, without a status if need be.
    fn give_up(&self, token: Token) -> Option<Report> {
        match self.confirm(token) {
            Confirmed::Exit(report) => Some(report),
            Confirmed::BeingReleased => {
                self.lock().get_mut(token)?.has_exited = true;
                let status = None;
                Some(Report::new(token, status))
            }
            Confirmed::Nothing => None,
        }
    }

    /// Waits for events, `limit` at most, and adds what they report. Returns how many events
    /// there were.
    fn take_events(
        &self,
        waiter: &mut PidfdWaiter,
        limit: Option<Duration>,
        reports: &mut Vec<Report>,
    ) -> io::Result<usize> {
        let PidfdWaiter {
            poll,
            events,
            releases,
            ..
        } = waiter;
        poll.poll(events, limit)?;
        let mut taken = 0;
        for event in events.iter() {
            taken += 1;
            if event.token() == WAKE {
                continue;
            }
            let token = Token::from_bits(event.token().0 as u64);
            match self.confirm(token) {
                Confirmed::Exit(report) => {
                    releases.end(token);
                    reports.push(report);
                }
                Confirmed::BeingReleased => releases.begin(token),
                Confirmed::Nothing => {}
            }
        }
        while let Some(token) = releases.take_overdue() {
            reports.extend(self.give_up(token));
        }
        Ok(taken)
    }

    fn lock(&self) -> MutexGuard<'_, TokenTable<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExitSource for PidfdSource {
    type Waiter = PidfdWaiter;

    const THREAD_NAME: &'static str = "childwatch-pid";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        if pid.as_raw().unsigned_abs() == self.own_pid {
            return Err(WatchError::NotAChild { pid, source: None });
        }
        let refuse = |call, error| errno::refuse(Some(pid), call, error);
        let number = rustix::process::Pid::from_raw(pid.as_raw())
            .ok_or(WatchError::NoSuchProcess { pid, source: None })?;
        let pidfd = keep_clear(|| pidfd_open(number, PidfdFlags::empty()))
            .map_err(|error| refuse(Call::PidfdOpen, error.into()))?;
        if self.waits_for_pidfds.get().is_none() {
            zombie::can_be_waited_for(&pidfd)
                .map_err(|errno| refuse(Call::WaitidPidfd, errno.into()))?;
            let _ = self.waits_for_pidfds.set(());
        }
        let raw = pidfd.as_raw_fd();

        // Into the table before into epoll: the event may come at once.
        let has_exited = false;
        self.lock().insert(token, Armed { pidfd, has_exited });
        let epoll_token = mio::Token(token.to_bits() as usize);
        self.registry
            .register(&mut SourceFd(&raw), epoll_token, Interest::READABLE)
            .map_err(|error| {
                let armed = self.lock().remove(token);
                drop(armed);
                refuse(Call::EpollAdd, error)
            })
    }

    fn disarm(&self, token: Token) {
        let armed = self.lock().remove(token);
        if let Some(Armed {
            pidfd,
            has_exited: false,
        }) = armed
        {
            // It was added, so it can be deleted; were it refused, the generation
            // still keeps its events harmless.
            let _ = self.registry.deregister(&mut SourceFd(&pidfd.as_raw_fd()));
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        let armed = self.lock();
        armed
            .get(token)
            .is_none_or(|armed| zombie::is_reaped(&armed.pidfd))
    }

    /// A pidfd that is not readable belongs to a process that lives: `waitid` could
    /// not tell, because it answers `ECHILD` for every process that is not a child. If the
    /// kernel does not say whether the pidfd is readable, `waitid` can still tell a zombie.
    fn look(&self, token: Token) -> Option<Report> {
        let armed = self.lock();
        let Armed { pidfd, .. } = armed.get(token)?;
        let found = match readable::is_readable(pidfd) {
            Some(true) => zombie::look(pidfd, self.own_pid),
            Some(false) => return None,
            None => zombie::look_unasked(pidfd),
        };
        match found {
            Zombie::Exited(status) => Some(Report::new(token, status)),
            // `wait` reports it, or a later look, once the kernel tells its status.
            Zombie::NotWaitable | Zombie::BeingReleased => None,
            // What is readable is another file.
            Zombie::NoPidfd => None,
        }
    }

    fn wait(&self, waiter: &mut PidfdWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        let limit = waiter.releases.time_left();
        self.take_events(waiter, limit, reports).map(drop)
    }

    fn wake(&self) -> io::Result<()> {
        let bell = self.bell.as_raw_fd();
        self.registry
            .reregister(&mut SourceFd(&bell), WAKE, Interest::READABLE)
    }
}

impl PollableSource for PidfdSource {
    fn descriptor<'a>(&'a self, waiter: &'a PidfdWaiter) -> BorrowedFd<'a> {
        waiter.poll.registry().as_fd()
    }

    fn collect(&self, waiter: &mut PidfdWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        let taken = self.take_events(waiter, Some(Duration::ZERO), reports)?;
        let left = waiter.releases.time_left();
        let is_set = waiter.timer.set(&self.registry, left);
        if taken == EVENTS_A_WAIT || is_set.is_err() {
            // Without a timer the program asks again at once. The kernel takes microseconds.
            self.wake()?;
        }
        Ok(())
    }
}

impl fmt::Debug for PidfdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PidfdSource")
            .field("epoll", &self.registry.as_raw_fd())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::{Child, Command};
    use std::sync::mpsc;
    use std::thread;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    const TOKEN: Token = Token::from_parts(0, 0);

    fn zombie() -> Child {
        let child = Command::new("true").spawn().unwrap();
        let number = rustix::process::Pid::from_child(&child);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(number), options).unwrap();
        child
    }

    /// The event of a zombie comes with its registration in epoll, and only once.
    #[test]
    fn a_process_stands_in_the_table_before_epoll_knows_it() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        let mut child = zombie();
        let pid = Pid::from(&child);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let table = source.lock();
            let arming = scope.spawn(|| {
                let own = fs::read_link("/proc/thread-self").unwrap();
                tell.send(own).unwrap();
                source.arm(pid, TOKEN)
            });
            // Until it waits for the table.
            let stat = Path::new("/proc").join(told.recv().unwrap()).join("stat");
            let is_asleep = || {
                let stat = fs::read_to_string(&stat).unwrap();
                stat.rsplit_once(") ").unwrap().1.starts_with('S')
            };
            while !is_asleep() {
                thread::yield_now();
            }
            let PidfdWaiter { poll, events, .. } = &mut waiter;
            poll.poll(events, Some(Duration::ZERO)).unwrap();
            assert!(events.is_empty());
            drop(table);
            arming.join().unwrap().unwrap();
        });
        let mut reports = Vec::new();
        source.wait(&mut waiter, &mut reports).unwrap();
        assert_eq!(reports.len(), 1);
        source.disarm(TOKEN);
        child.wait().unwrap();
    }

    /// A wait with a deadline wakes the thread once more.
    #[test]
    fn a_child_that_is_reported_is_not_waited_for_any_more() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        let mut child = zombie();
        source.arm(Pid::from(&child), TOKEN).unwrap();
        // As if the first look had found it being released.
        waiter.releases.begin(TOKEN);
        let mut reports = Vec::new();
        source.wait(&mut waiter, &mut reports).unwrap();
        assert_eq!(reports.len(), 1);
        assert_eq!(waiter.releases.time_left(), None);
        source.disarm(TOKEN);
        child.wait().unwrap();
    }
}
