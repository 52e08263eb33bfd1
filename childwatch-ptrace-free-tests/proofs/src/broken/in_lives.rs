//! C18 in programs with lives of their own: watchers that only such a program finds out.

#![expect(
    unsafe_code,
    reason = "a system call that is not there, and bytes that nobody has written"
)]

use std::collections::HashMap;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime};

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};
use rustix::io::Errno;
use rustix::time::ClockId;

use super::entry::Fails::{ByHanging, InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::hosts::{look_round, peek, report_late_starts};
use super::source::{Good, SourceFault, over_pidfds, over_sigchld};
use super::watcher::{WatcherFault, with};
use crate::backends::{Pidfd, Sigchld};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C3, C10, C13, C15, C18};
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::signals::{self, CountedSignal};
use childwatch_ptrace_free_tests::kit::sys::{death, receive, threads};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "restarts-system-calls",
        fault: "It sets SA_RESTART on the handler of SIGCHLD that it finds.",
        breaks: Rule::Clause(C18),
        watcher: || {
            signals::change_sigchld_flags(|flags| flags | libc::SA_RESTART);
            Pidfd.watcher()
        },
        fails: &[(
            "handler-no-restart",
            Saying("with an idle watcher, the program's job ends differently"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "gives-up-the-reaped",
        fault: "An exit is not reported if waitid answers ECHILD by then.",
        breaks: Rule::Clause(C3),
        watcher: over_pidfds::<GivesUpTheReaped>,
        fails: &[("reaper-thread", InVain("the callback ran 0 times"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "replaces-the-handler",
        fault: "Its handler of SIGCHLD does not call the one that it finds.",
        breaks: Rule::Clause(C18),
        watcher: || {
            mem::forget(CountedSignal::new(libc::SIGCHLD));
            Pidfd.watcher()
        },
        fails: &[
            (
                "reaper-handler",
                Saying("with an idle watcher, the program's job ends differently"),
            ),
            ("second-copy", InVain("the program's own handler has run")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-tokios-handler",
        fault: "It removes the actions that other libraries have registered with signal-hook.",
        breaks: Rule::Clause(C18),
        watcher: || {
            receive::remove_all_actions();
            Pidfd.watcher()
        },
        fails: &[("tokio-by-signals", InVain("the copy "))],
        ..ON_PIDFDS
    },
    Broken {
        name: "reaps-strangers",
        fault: "A thread of its own reaps every child that has exited.",
        breaks: Rule::Clause(C18),
        watcher: reaps_strangers,
        fails: &[("tokio", Saying("a status: "))],
        // The thread that it leaves behind fails every case.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-in-callbacks",
        fault: "A callback that another callback registers never runs.",
        breaks: Rule::Clause(C10),
        watcher: with::<ForgetsInCallbacks>,
        fails: &[(
            "restarts-in-callbacks",
            InVain("the last run of a service is reported"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "one-callback-a-process",
        fault: "A lock of all watchers is held while a callback runs.",
        breaks: Rule::Clause(C15),
        watcher: || {
            drop(one_at_a_time());
            with::<OneCallbackAProcess>()
        },
        fails: &[("forks-in-a-callback", InVain("the copy hangs"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "locks-before-it-looks",
        fault: "A call takes a lock before it looks whether it is in a copy.",
        breaks: Rule::Clause(C15),
        watcher: with::<LocksBeforeItLooks>,
        fails: &[("workers-fork", InVain("a copy hangs"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "rests-by-the-wall-clock",
        fault: "It rests for a millisecond between exits, by the wall clock.",
        breaks: Rule::Clause(C3),
        watcher: over_pidfds::<RestsByTheWallClock>,
        fails: &[("clock-jumps", ByHanging)],
        ..ON_PIDFDS
    },
    Broken {
        name: "starts-by-another-clock",
        fault: "Start times, which are the boot clock's, are compared with the monotonic clock.",
        breaks: Rule::Clause(C13),
        watcher: over_pidfds::<StartsByAnotherClock>,
        fails: &[("time-namespace", Saying("a child is reported that lives"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-one-missing-call-for-all",
        fault: "Without epoll_pwait2 it takes pidfds to be missing too.",
        breaks: Rule::Clause(C18),
        watcher: takes_one_missing_call_for_all,
        fails: &[("qemu-user", Saying("epoll_pwait2"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "writes-what-it-has-not-set",
        fault: "It hands the kernel bytes that it has not written.",
        breaks: Rule::Clause(C18),
        built_on: &Sigchld,
        claims: &Sigchld,
        watcher: over_sigchld::<WritesWhatItHasNotSet>,
        fails: &[("valgrind", Saying("exit status: 99"))],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct GivesUpTheReaped;

impl SourceFault for GivesUpTheReaped {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        /// A reaper that there is takes no longer.
        const A_MOMENT: Duration = Duration::from_millis(50);
        good.wait(waiter, reports)?;
        reports.retain(|report| {
            let pid = good.pid(report.token);
            let is_reaped = || pid.is_some_and(|pid| matches!(peek(pid), Err(Errno::CHILD)));
            !deadline::holds_within(A_MOMENT, is_reaped)
        });
        Ok(())
    }
}

fn reaps_strangers() -> Result<Box<dyn PidWatcher>, WatchError> {
    thread::spawn(|| {
        loop {
            if let Some(pid) = death::first_zombie() {
                death::reap(pid);
            }
            thread::park_timeout(Duration::from_micros(100));
        }
    });
    Pidfd.watcher()
}

#[derive(Debug, Default)]
struct ForgetsInCallbacks;

impl WatcherFault for ForgetsInCallbacks {
    fn watch(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        if thread::current()
            .name()
            .is_some_and(|name| name.starts_with("childwatch-"))
        {
            // Its captures stay, as if it were to run.
            mem::forget(callback);
            return good.watch(pid, Box::new(|_: Exit| {}));
        }
        good.watch(pid, callback)
    }
}

/// One lock for all watchers.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    lock(&ONE)
}

#[derive(Debug, Default)]
struct OneCallbackAProcess;

impl WatcherFault for OneCallbackAProcess {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(|exit| {
            let _one = one_at_a_time();
            callback(exit);
        })
    }
}

#[derive(Debug, Default)]
struct LocksBeforeItLooks {
    calls: Mutex<usize>,
}

impl WatcherFault for LocksBeforeItLooks {
    fn try_wait(&self, good: &dyn PidWatcher, pid: Pid) -> Result<Option<Exit>, WatchError> {
        let mut calls = lock(&self.calls);
        *calls += 1;
        thread::park_timeout(Duration::from_micros(200));
        good.try_wait(pid)
    }
}

#[derive(Debug, Default)]
struct RestsByTheWallClock {
    rested: Mutex<Option<SystemTime>>,
}

impl SourceFault for RestsByTheWallClock {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        const REST: Duration = Duration::from_millis(1);
        good.wait(waiter, reports)?;
        let mut rested = lock(&self.rested);
        let until = rested.map(|rested| rested + REST);
        let left = until.and_then(|until| until.duration_since(SystemTime::now()).ok());
        // No thread unparks this one.
        thread::park_timeout(left.unwrap_or_default());
        *rested = Some(SystemTime::now());
        Ok(())
    }
}

#[derive(Debug, Default)]
struct StartsByAnotherClock {
    armed_at: Mutex<HashMap<Token, u64>>,
}

impl SourceFault for StartsByAnotherClock {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let ticks = rustix::param::clock_ticks_per_second();
        let now = threads::time_by(ClockId::Monotonic).as_millis() as u64 * ticks / 1_000;
        lock(&self.armed_at).insert(token, now);
        good.arm(pid, token)
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        look_round(good, waiter, reports)?;
        report_late_starts(good, &lock(&self.armed_at), reports);
        Ok(())
    }
}

fn takes_one_missing_call_for_all() -> Result<Box<dyn PidWatcher>, WatchError> {
    // SAFETY: there is no such file, so the kernel touches nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            -1,
            ptr::null_mut::<libc::epoll_event>(),
            1,
            ptr::null::<libc::timespec>(),
            ptr::null::<libc::sigset_t>(),
            0,
        )
    };
    let error = io::Error::last_os_error();
    if answer == -1 && error.raw_os_error() == Some(libc::ENOSYS) {
        return Err(WatchError::Unsupported {
            operation: "epoll_pwait2",
            pid: None,
            source: error,
        });
    }
    Pidfd.watcher()
}

#[derive(Debug, Default)]
struct WritesWhatItHasNotSet;

impl SourceFault for WritesWhatItHasNotSet {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let bytes = MaybeUninit::<[u8; 8]>::uninit();
        if let Ok((_read, write)) = rustix::pipe::pipe() {
            // SAFETY: the kernel reads eight bytes of this thread's stack, whatever they are.
            unsafe { libc::write(write.as_raw_fd(), bytes.as_ptr().cast(), 8) };
        }
        good.arm(pid, token)
    }
}
