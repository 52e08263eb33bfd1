//! [`PidfdSource`]: which pidfds are armed in epoll, and what their events mean.
//!
//! # From event to report
//!
//! A readable pidfd is not always waitable: while a tracer holds the zombie, `waitid`
//! returns nothing (Linux 5.10 to 6.18). So each event is confirmed by [`zombie::look`]. If
//! the process is not waitable, it stays armed. mio's registrations are edge-triggered, so
//! the thread does not spin. When the tracer lets the process go, a second edge follows.
//!
//! A child that is being reaped during the look stays armed too, until the kernel has stored
//! its status: [`release`](crate::release) has the argument.
//!
//! # Tokens
//!
//! An epoll event carries the engine's [`Token`] and nothing else. The table `armed` has the
//! pidfd for it, if the generation is still the same. If the token has been disarmed since,
//! the event finds nothing. Such events happen: from Linux 6.9 on, reaping gives a second
//! edge. [`event_key`] says what is different on targets with 32 bits.
//!
//! # Until reaped
//!
//! A source made by [`PidfdSource::until_reaped`] asks epoll for an event that a pidfd never has.
//! Then only `EPOLLHUP` remains, which the kernel always reports. A pidfd has it from the moment
//! at which the process has left the kernel's table, and its status is stored before that
//! ([`release`](crate::release), steps 3 and 4). So the event says all, and nothing is asked but
//! the status.
//!
//! # Disarming
//!
//! If a thread looks at the process, `disarm` waits for the end of that look. [`armed`](crate::armed)
//! has the reasons.
//!
//! Closing a pidfd removes it from epoll, unless a forked copy of the process holds the pidfd
//! too. So for a living process `EPOLL_CTL_DEL` comes before `close`. After a confirmed exit
//! that system call is left out, which saves 6 % of the cost of an exit. In the worst case
//! an entry then stays in the kernel until the copy closes its pidfd. A forked copy itself
//! never disarms, because its epoll instance is the parent's.
//!
//! The program may have duplicates of a pidfd that it has offered or asked for. The kernel keeps
//! the entry, under the file and the number, until the last one is closed. A later duplicate with
//! the same number would be refused (`EEXIST`). So the watch of such a pidfd always ends by
//! `EPOLL_CTL_DEL`.
//!
//! # Waking
//!
//! Each `EPOLL_CTL_MOD` on a readable file makes an event. So this call, on an eventfd that
//! is always readable, wakes the watcher. Nothing is ever written. The kernel identifies the
//! entry by the number and by the open file. If the program has closed the watcher's
//! descriptors and their numbers belong to other files by now, the call fails, and those
//! files are left alone. The call costs no more than a `write`.
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
use std::sync::OnceLock;
use std::time::Duration;

use childwatch_core::source::{
    Detail, ExitSource, PollableSource, Report, Token, await_readable, keep_clear,
    send_signal_to_pidfd,
};
use childwatch_core::{Pid, WatchError};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::armed::ArmedTable;
use crate::errno::{self, Call};
use crate::event_key::{self, WAKE};
use crate::info;
use crate::offered;
use crate::release::Releases;
use crate::timer::Timer;
use crate::zombie::{self, WaitState};

/// How many events one wait takes from the kernel. So many exits stay in the cache between the
/// event and the callback.
const EVENTS_PER_WAIT: usize = 128;

/// An event that neither an eventfd nor a pidfd ever has.
const SILENT: Interest = Interest::PRIORITY;

/// The [`ExitSource`] behind [`PidfdWatcher`](crate::PidfdWatcher), for a
/// [`FallbackWatcher`](childwatch_core::FallbackWatcher).
pub struct PidfdSource {
    registry: Registry,
    /// An eventfd that is always readable.
    wake_fd: OwnedFd,
    /// The armed pidfds. No system call is made while the table is locked.
    armed: ArmedTable<Armed>,
    own_pid: u32,
    /// Set once `waitid(P_PIDFD)` has worked. A refusal is not kept, because it may be temporary.
    waits_for_pidfds: OnceLock<()>,
    /// Set before a process is armed, or not at all.
    asks_for_usage: OnceLock<()>,
    awaits: Awaits,
}

/// What a source reports of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Exit,
    /// That it has been reaped.
    Reaping,
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
    /// The kernel has not stored the status yet. An event follows.
    BeingReleased,
    /// The event is stale, the exit has been reported already, or the process is not waitable
    /// yet.
    Nothing,
}

#[derive(Debug)]
struct Armed {
    pidfd: OwnedFd,
    /// The exit has been confirmed.
    has_exited: bool,
    /// The program may have a duplicate of the pidfd.
    is_shared: bool,
}

/// Duplicates a pidfd. The number is none of a standard stream.
fn duplicate(pid: Pid, pidfd: impl AsFd) -> Result<OwnedFd, WatchError> {
    fcntl_dupfd_cloexec(pidfd, 3)
        .map_err(|errno| errno::refuse(Some(pid), Call::Duplicate, errno.into()))
}

impl PidfdSource {
    /// Creates a source that watches nothing yet. It can be created also if the kernel does not
    /// offer pidfds. It refuses each process then.
    ///
    /// # Errors
    ///
    /// [`ResourceLimit`](WatchError::ResourceLimit),
    /// [`Unsupported`](WatchError::Unsupported) if there is no epoll or eventfd, or
    /// [`Os`](WatchError::Os).
    pub fn new() -> Result<(Self, PidfdWaiter), WatchError> {
        PidfdSource::that_awaits(Awaits::Exit)
    }

    /// Creates a source that reports each process when it has been reaped. See
    /// [`PidfdWatcher::until_reaped`](crate::PidfdWatcher::until_reaped).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`Unsupported`](WatchError::Unsupported) before Linux 6.9.
    pub fn until_reaped() -> Result<(Self, PidfdWaiter), WatchError> {
        crate::probe().check_until_reaped()?;
        PidfdSource::that_awaits(Awaits::Reaping)
    }

    fn that_awaits(awaits: Awaits) -> Result<(Self, PidfdWaiter), WatchError> {
        let failed = |call| move |error: io::Error| errno::refuse(None, call, error);
        let poll = keep_clear(Poll::new).map_err(failed(Call::EpollCreate))?;
        let registry =
            keep_clear(|| poll.registry().try_clone()).map_err(failed(Call::EpollCreate))?;
        let wake_fd = keep_clear(|| eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK))
            .map_err(|errno| failed(Call::Eventfd)(errno.into()))?;
        registry
            .register(&mut SourceFd(&wake_fd.as_raw_fd()), WAKE, SILENT)
            .map_err(failed(Call::Eventfd))?;
        let source = PidfdSource {
            registry,
            wake_fd,
            armed: ArmedTable::new(),
            own_pid: std::process::id(),
            waits_for_pidfds: OnceLock::new(),
            asks_for_usage: OnceLock::new(),
            awaits,
        };
        let events = Events::with_capacity(EVENTS_PER_WAIT);
        let releases = Releases::default();
        let waiter = PidfdWaiter {
            poll,
            events,
            releases,
            timer: Timer::default(),
        };
        Ok((source, waiter))
    }

    fn detail(&self) -> Detail {
        match self.asks_for_usage.get() {
            Some(()) => Detail::Usage,
            None => Detail::Status,
        }
    }

    /// Returns what an event of `token` means.
    fn confirm(&self, token: Token) -> Confirmed {
        let confirmed = self.armed.look(token, |armed| {
            if armed.has_exited || !event_key::is_certain() && self.lasts(&armed.pidfd) {
                return Confirmed::Nothing;
            }
            if self.awaits == Awaits::Reaping {
                armed.has_exited = true;
                return Confirmed::Exit(Report::new(token, info::status(&armed.pidfd)));
            }
            match zombie::look(&armed.pidfd, self.detail(), self.own_pid) {
                WaitState::Exited { status, usage } => {
                    armed.has_exited = true;
                    Confirmed::Exit(Report::new(token, status).with_resource_usage(usage))
                }
                // The event came from the pidfd, so the process has exited.
                WaitState::NoPidfd => {
                    armed.has_exited = true;
                    let status = None;
                    Confirmed::Exit(Report::new(token, status))
                }
                WaitState::NotWaitable => Confirmed::Nothing,
                WaitState::BeingReleased => Confirmed::BeingReleased,
            }
        });
        confirmed.unwrap_or(Confirmed::Nothing)
    }

    /// Whether what is awaited of the process has certainly not happened.
    fn lasts(&self, pidfd: &OwnedFd) -> bool {
        match self.awaits {
            Awaits::Exit => matches!(
                await_readable(pidfd.as_fd(), Some(Duration::ZERO)),
                Ok(false)
            ),
            Awaits::Reaping => zombie::is_unreaped(pidfd),
        }
    }

    /// Reports a child whose release takes too long. If its status is still not stored, the
    /// report has none.
    fn give_up(&self, token: Token) -> Option<Report> {
        match self.confirm(token) {
            Confirmed::Exit(report) => Some(report),
            Confirmed::BeingReleased => {
                self.armed.look(token, |armed| armed.has_exited = true)?;
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
            let armed_at = |index| self.armed.token_at(index);
            let Some(token) = event_key::token(event.token(), armed_at) else {
                continue;
            };
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

    /// Arms a pidfd that has been opened or duplicated for `token`.
    fn add(
        &self,
        pid: Pid,
        pidfd: OwnedFd,
        is_shared: bool,
        token: Token,
    ) -> Result<(), WatchError> {
        let raw = pidfd.as_raw_fd();
        let refuse = |error| errno::refuse(Some(pid), Call::EpollAdd, error);
        let key = event_key::of(token).ok_or_else(|| refuse(Errno::NOSPC.into()))?;
        let interest = match self.awaits {
            Awaits::Exit => Interest::READABLE,
            Awaits::Reaping => SILENT,
        };
        // Into the table before into epoll: the event may come at once.
        let armed = Armed {
            pidfd,
            has_exited: false,
            is_shared,
        };
        self.armed.insert(token, armed);
        self.registry
            .register(&mut SourceFd(&raw), key, interest)
            .map_err(|error| {
                drop(self.armed.remove(token));
                refuse(error)
            })
    }
}

impl ExitSource for PidfdSource {
    type Waiter = PidfdWaiter;

    const THREAD_NAME: &'static str = "childwatch-pid";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        if pid.as_raw().unsigned_abs() == self.own_pid {
            return Err(WatchError::OwnProcess { pid });
        }
        let refuse = |call, error| errno::refuse(Some(pid), call, error);
        let number = rustix::process::Pid::from_raw(pid.as_raw())
            .ok_or(WatchError::NoSuchProcess { pid, source: None })?;
        let pidfd = keep_clear(|| pidfd_open(number, PidfdFlags::empty()))
            .map_err(|error| refuse(Call::PidfdOpen, error.into()))?;
        if self.waits_for_pidfds.get().is_none() {
            zombie::check_waitid(&pidfd)
                .map_err(|errno| refuse(Call::WaitidPidfd, errno.into()))?;
            let _ = self.waits_for_pidfds.set(());
        }
        self.add(pid, pidfd, false, token)
    }

    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        offered::pid_of(pidfd, self.own_pid)
    }

    fn arm_pidfd(&self, pid: Pid, pidfd: BorrowedFd<'_>, token: Token) -> Result<(), WatchError> {
        self.add(pid, duplicate(pid, pidfd)?, true, token)
    }

    fn pidfd(&self, pid: Pid, token: Token) -> Result<OwnedFd, WatchError> {
        let duplicated = self.armed.look(token, |armed| {
            armed.is_shared = true;
            duplicate(pid, &armed.pidfd)
        });
        duplicated.unwrap_or(Err(WatchError::NotRegistered { pid }))
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        let sent = self
            .armed
            .look(token, |armed| send_signal_to_pidfd(&armed.pidfd, signal));
        sent.ok_or(WatchError::NotRegistered { pid })?
            .map_err(|error| errno::refuse(Some(pid), Call::SendSignal, error))
    }

    fn disarm(&self, token: Token) {
        let Some(Armed {
            pidfd,
            has_exited,
            is_shared,
        }) = self.armed.remove(token)
        else {
            return;
        };
        if !has_exited || is_shared {
            // It was added, so it can be deleted. If that were refused, the generation would
            // still make its events harmless.
            let _ = self.registry.deregister(&mut SourceFd(&pidfd.as_raw_fd()));
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.armed
            .look(token, |armed| zombie::is_reaped(&armed.pidfd))
            .unwrap_or(true)
    }

    /// A pidfd that is not readable belongs to a living process. `waitid` cannot show that,
    /// because it fails with `ECHILD` for every process that is not a child. If the kernel does
    /// not say whether the pidfd is readable, `waitid` can still find a zombie.
    fn look(&self, token: Token) -> Option<Report> {
        if self.awaits == Awaits::Reaping {
            let found = self.armed.look(token, |Armed { pidfd, .. }| {
                zombie::is_reaped(&*pidfd).then(|| info::status(pidfd))
            });
            return Some(Report::new(token, found??));
        }
        let found = self.armed.look(token, |Armed { pidfd, .. }| {
            Some(match await_readable(pidfd.as_fd(), Some(Duration::ZERO)) {
                Ok(true) => zombie::look(pidfd, self.detail(), self.own_pid),
                Ok(false) => return None,
                Err(_) => zombie::look_unpolled(pidfd, self.detail()),
            })
        });
        match found?? {
            WaitState::Exited { status, usage } => {
                Some(Report::new(token, status).with_resource_usage(usage))
            }
            // `wait` or a later look reports it, once the kernel returns its status.
            WaitState::NotWaitable | WaitState::BeingReleased => None,
            // The number belongs to another file, which is readable.
            WaitState::NoPidfd => None,
        }
    }

    fn ask_for_resource_usage(&self) {
        let _ = self.asks_for_usage.set(());
    }

    fn awaits_reaping(&self) -> bool {
        self.awaits == Awaits::Reaping
    }

    fn wait(&self, waiter: &mut PidfdWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        let limit = waiter.releases.time_left();
        self.take_events(waiter, limit, reports).map(drop)
    }

    fn wake(&self) -> io::Result<()> {
        let wake_fd = self.wake_fd.as_raw_fd();
        self.registry
            .reregister(&mut SourceFd(&wake_fd), WAKE, Interest::READABLE)
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
        if taken == EVENTS_PER_WAIT || is_set.is_err() {
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
    use std::thread::{self, Scope, ScopedJoinHandle};

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

    /// Runs `call` on a thread of the scope, and returns when that thread waits for a lock or a
    /// look. Returns too if it does not wait.
    fn begin<'scope, T: Send + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        call: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        let (sender, receiver) = mpsc::channel();
        let thread = scope.spawn(move || {
            let own = fs::read_link("/proc/thread-self").unwrap();
            sender.send(own).unwrap();
            call()
        });
        let stat = Path::new("/proc")
            .join(receiver.recv().unwrap())
            .join("stat");
        // After its end the thread has no such file.
        let is_asleep = || {
            let stat = fs::read_to_string(&stat).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_some_and(|(_, state)| state.starts_with('S'))
        };
        while !thread.is_finished() && !is_asleep() {
            thread::yield_now();
        }
        thread
    }

    /// The event of a zombie comes with its registration in epoll, and only once.
    #[test]
    fn a_process_stands_in_the_table_before_epoll_knows_it() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        let mut child = zombie();
        let pid = Pid::from(&child);
        thread::scope(|scope| {
            let table = source.armed.hold_up();
            let arming = begin(scope, || source.arm(pid, TOKEN));
            assert!(!arming.is_finished());
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

    /// A closed pidfd would give its number to the next file.
    #[test]
    fn a_process_that_is_disarmed_during_a_look_is_still_the_one_that_is_looked_at() {
        let (source, _waiter) = PidfdSource::new().unwrap();
        let mut children = [zombie(), zombie()];
        let [first, second] = children.each_ref().map(Pid::from);
        source.arm(first, TOKEN).unwrap();
        thread::scope(|scope| {
            let mut disarming = None;
            let found = source.armed.look(TOKEN, |Armed { pidfd, .. }| {
                disarming = Some(begin(scope, || source.disarm(TOKEN)));
                // Another child can be armed meanwhile.
                source.arm(second, Token::from_parts(1, 0)).unwrap();
                let _taken = [(); 8].map(|()| fs::File::open("/dev/null").unwrap());
                zombie::look(pidfd, Detail::Status, source.own_pid)
            });
            assert!(matches!(
                found,
                Some(WaitState::Exited {
                    status: Some(_),
                    ..
                })
            ));
            disarming.unwrap().join().unwrap();
        });
        assert!(source.look(TOKEN).is_none());
        for child in &mut children {
            child.wait().unwrap();
        }
    }

    /// In a busy program, each wait may end with an event.
    #[test]
    fn an_event_postpones_no_deadline() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        let mut children = [zombie(), zombie()];
        let tokens = [TOKEN, Token::from_parts(1, 0)];
        source.arm(Pid::from(&children[0]), tokens[0]).unwrap();
        let PidfdWaiter { poll, events, .. } = &mut waiter;
        // Its event comes only once.
        poll.poll(events, None).unwrap();
        waiter.releases.begin_overdue(tokens[0]);
        source.arm(Pid::from(&children[1]), tokens[1]).unwrap();
        let mut reports = Vec::new();
        source.wait(&mut waiter, &mut reports).unwrap();
        for (token, child) in tokens.into_iter().zip(&mut children) {
            let mut own = reports.iter().filter(|report| report.token == token);
            // The deadline's last look finds the status that the kernel has stored meanwhile.
            assert!(own.next().unwrap().status.is_some());
            source.disarm(token);
            child.wait().unwrap();
        }
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

    /// A `FallbackWatcher` over one that does and one that does not would mean both.
    #[test]
    fn a_source_says_whether_it_awaits_reapings() {
        let (source, _waiter) = PidfdSource::new().unwrap();
        assert!(!source.awaits_reaping());
        match PidfdSource::until_reaped() {
            Ok((source, _waiter)) => assert!(source.awaits_reaping()),
            Err(refused) => assert!(matches!(refused, WatchError::Unsupported { .. })),
        }
    }

    /// The kernel keeps an entry of epoll as long as any duplicate of its pidfd is open.
    #[test]
    fn a_pidfd_that_the_program_has_leaves_no_entry_in_epoll() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        let entries = || {
            let epoll = source.registry.as_raw_fd();
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{epoll}")).unwrap();
            text.lines().filter(|line| line.starts_with("tfd:")).count()
        };
        let before = entries();
        let arms: [&dyn Fn(Pid) -> OwnedFd; 2] = [
            &|pid| {
                source.arm(pid, TOKEN).unwrap();
                source.pidfd(pid, TOKEN).unwrap()
            },
            &|pid| {
                let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
                let own = pidfd_open(number, PidfdFlags::empty()).unwrap();
                source.arm_pidfd(pid, own.as_fd(), TOKEN).unwrap();
                own
            },
        ];
        for arm in arms {
            let mut child = zombie();
            let kept = arm(Pid::from(&child));
            let mut reports = Vec::new();
            source.wait(&mut waiter, &mut reports).unwrap();
            assert_eq!(reports.len(), 1);
            assert_eq!(entries(), before + 1);
            source.disarm(TOKEN);
            assert_eq!(entries(), before);
            drop(kept);
            child.wait().unwrap();
        }
    }

    /// S10: the timer is set to what the events of this call have left.
    #[test]
    fn a_collect_sets_its_timer_after_its_events() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        let mut child = zombie();
        let collect = |waiter: &mut PidfdWaiter| {
            let mut reports = Vec::new();
            source.collect(waiter, &mut reports).unwrap();
            (reports.len(), waiter.timer.is_set())
        };
        source.arm(Pid::from(&child), TOKEN).unwrap();
        // As if the first look had found it being released.
        waiter.releases.begin(TOKEN);
        assert_eq!(collect(&mut waiter), (1, false));
        waiter.releases.begin(TOKEN);
        assert_eq!(collect(&mut waiter), (0, true));
        waiter.releases.end(TOKEN);
        assert_eq!(collect(&mut waiter), (0, false));
        source.disarm(TOKEN);
        child.wait().unwrap();
    }

    /// S10: the deadline of a release would pass unnoticed.
    #[test]
    fn a_collect_whose_timer_is_refused_leaves_the_descriptor_readable() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        waiter.timer = Timer::that_is_refused();
        waiter.releases.begin(TOKEN);
        for _ in 0..2 {
            source.collect(&mut waiter, &mut Vec::new()).unwrap();
            let descriptor = source.descriptor(&waiter);
            assert!(await_readable(descriptor, Some(Duration::ZERO)).unwrap());
        }
        waiter.releases.end(TOKEN);
        source.collect(&mut waiter, &mut Vec::new()).unwrap();
        let descriptor = source.descriptor(&waiter);
        assert!(!await_readable(descriptor, Some(Duration::ZERO)).unwrap());
    }
}
