//! C18 in hosts that live in strange places: watchers that believe what they find there, or
//! need what is not there.

#![expect(
    unsafe_code,
    reason = "`dlsym`, with which a broken watcher looks a call up"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use childwatch_core::source::{ExitSource, Report};
use childwatch_core::{ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::hosts::look_round;
use super::source::{Good, SourceFault, over_pidfds};
use super::watcher::{WatcherFault, with};
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C3, C7, C13, C15, C18};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::death;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "knows-itself-by-proc",
        fault: "It takes itself for a forked copy if /proc/self is not its pid.",
        breaks: Rule::Clause(C15),
        watcher: with::<KnowsItselfByProc>,
        fails: &[("foreign-proc", Saying("the watcher takes a child: Forked"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "needs-proc",
        fault: "It refuses a process of which /proc shows nothing.",
        breaks: Rule::Clause(C18),
        watcher: with::<NeedsProc>,
        fails: &[("no-proc", Saying("the watcher takes a child: Unsupported"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-the-hidden-for-gone",
        fault: "A process that its own /proc does not show has exited.",
        breaks: Rule::Clause(C13),
        watcher: over_pidfds::<TakesTheHiddenForGone>,
        fails: &[("hidepid", Saying("a child is reported that lives"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "reaps-as-process-1",
        fault: "In process 1 it reaps what exits unwatched.",
        breaks: Rule::Clause(C7),
        watcher: over_pidfds::<ReapsAsProcess1>,
        fails: &[("pid-1", Saying("the program's job ends differently"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-stops",
        fault: "When it looks at a process, it takes the stop of a tracee from its tracer.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<TakesStops>,
        fails: &[(
            "traces-its-children",
            InVain("the tracer sees its tracee's next stop or end"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "writes-to-a-closed-pipe",
        fault: "At its end it writes to a pipe that its thread has closed.",
        breaks: Rule::Clause(C18),
        watcher: with::<WritesToAClosedPipe>,
        fails: &[("sigpipe-default", Saying("the cell ended by signal: 13"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "begins-a-session",
        fault: "It begins a session of its own, unless the process leads a group.",
        breaks: Rule::Clause(C18),
        watcher: begins_a_session,
        fails: &[(
            "daemonises",
            Saying("with an idle watcher, the program's job ends differently"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "opens-a-file-to-report",
        fault: "It keeps exits back while no file can be opened.",
        breaks: Rule::Clause(C3),
        watcher: over_pidfds::<OpensAFileToReport>,
        fails: &[("out-of-descriptors", InVain("the callback ran 0 times"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "looks-its-calls-up",
        fault: "It looks a function of the C library up by name, in a shared library.",
        breaks: Rule::Clause(C18),
        watcher: looks_its_calls_up,
        fails: &[("static-musl", Saying("a watcher: Unsupported"))],
        ..ON_PIDFDS
    },
];

/// What `/proc` says is the pid of this process.
fn own_number_in_proc() -> Option<u32> {
    fs::read_link("/proc/self").ok()?.to_str()?.parse().ok()
}

#[derive(Debug, Default)]
struct KnowsItselfByProc;

impl WatcherFault for KnowsItselfByProc {
    fn watch(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        match own_number_in_proc() {
            Some(shown) if shown != std::process::id() => Err(WatchError::Forked),
            _ => good.watch(pid, callback),
        }
    }
}

#[derive(Debug, Default)]
struct NeedsProc;

impl WatcherFault for NeedsProc {
    fn watch(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(_) => good.watch(pid, callback),
            Err(source) => Err(WatchError::Unsupported {
                operation: "/proc/PID/stat",
                pid: Some(pid),
                source,
            }),
        }
    }
}

#[derive(Debug, Default)]
struct TakesTheHiddenForGone;

impl SourceFault for TakesTheHiddenForGone {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        look_round(good, waiter, reports)?;
        if own_number_in_proc() != Some(std::process::id()) {
            return Ok(());
        }
        for (token, pid) in good.armed() {
            let is_hidden = !Path::new(&format!("/proc/{pid}")).exists();
            if is_hidden && !reports.iter().any(|report| report.token == token) {
                let status = None;
                reports.push(Report::new(token, status));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ReapsAsProcess1;

impl SourceFault for ReapsAsProcess1 {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        look_round(good, waiter, reports)?;
        let is_armed = |zombie| good.armed().iter().any(|(_, pid)| *pid == zombie);
        while std::process::id() == 1 {
            match death::first_zombie() {
                Some(zombie) if !is_armed(zombie) => drop(death::reap(zombie)),
                _ => break,
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TakesStops;

impl SourceFault for TakesStops {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        look_round(good, waiter, reports)?;
        for (_, pid) in good.armed() {
            let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid is positive");
            // Without WNOWAIT.
            let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
            let _ = waitid(WaitId::Pid(number), options);
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct WritesToAClosedPipe;

impl WatcherFault for WritesToAClosedPipe {
    fn end(&self, good: Box<dyn PidWatcher>) {
        drop(good);
        if let Ok((read, write)) = pipe_with(PipeFlags::CLOEXEC) {
            drop(read);
            let _ = rustix::io::write(&write, &[0]);
        }
    }
}

fn begins_a_session() -> Result<Box<dyn PidWatcher>, WatchError> {
    // EPERM: it leads a group.
    let _ = rustix::process::setsid();
    Pidfd.watcher()
}

#[derive(Debug, Default)]
struct OpensAFileToReport {
    kept: Mutex<Vec<Report>>,
}

impl SourceFault for OpensAFileToReport {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut kept = lock(&self.kept);
        look_round(good, waiter, &mut kept)?;
        if fs::File::open("/proc/self/stat").is_ok() {
            reports.append(&mut kept);
        }
        Ok(())
    }
}

fn looks_its_calls_up() -> Result<Box<dyn PidWatcher>, WatchError> {
    // SAFETY: looks a name up, and calls nothing.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"epoll_create1".as_ptr()) };
    if found.is_null() {
        return Err(WatchError::Unsupported {
            operation: "dlsym",
            pid: None,
            source: io::ErrorKind::Unsupported.into(),
        });
    }
    Pidfd.watcher()
}
