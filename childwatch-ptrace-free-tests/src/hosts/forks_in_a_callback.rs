//! A program that forks a copy of itself in a callback. Both go on.

#![expect(
    unsafe_code,
    reason = "copies of a process with threads, and a backend that a callback takes along"
)]

use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, mpsc};
use std::thread;

use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::pipe::{PipeFlags, pipe_with};

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::backend::under_test::BackendUnderTest;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::{birth, death};

pub(super) const HOST: Host = Host {
    name: "forks-in-a-callback",
    is: "a program that forks a copy in a callback, which lives on and has children, a \
         thread and a watcher of its own",
    needs: &[],
    exceptions: &[],
    live,
};

/// What the copy exits with when all its work is done.
const DONE: i32 = 44;

fn live(life: &Life<'_>) {
    let stage = life.stage();
    life.goes_on(|around| {
        let forked = match around.watcher {
            None => Forked::begin(*stage, None),
            Some(watcher) => fork_in_a_callback(stage, watcher),
        };
        // The copy waits. Meanwhile this process does its own work, and the watcher its.
        let own = own_work();
        if let Some(watcher) = around.watcher {
            stage.settle(watcher);
        }
        (own, forked.work())
    });
}

/// Children, and a thread that waits for one.
fn own_work() -> Vec<Option<i32>> {
    let mut seen: Vec<_> = (0..5).map(code_of_a_child).collect();
    let thread = thread::spawn(|| code_of_a_child(50));
    seen.push(thread.join().expect("a thread"));
    seen
}

fn code_of_a_child(code: u8) -> Option<i32> {
    let mut child = RealNursery.spawn();
    child.die(End::Code(code));
    child.reap().and_then(|status| status.code())
}

/// Forks the copy in the callback of a child's exit.
fn fork_in_a_callback(stage: &Stage<'_>, watcher: &Arc<dyn PidWatcher>) -> Forked {
    let backend = stage.backend();
    // SAFETY: a cell's backend is one of those that `front::take_part` was given, and they
    // are static.
    let backend: &'static dyn BackendUnderTest = unsafe { mem::transmute(backend) };
    let mut child = stage.child();
    let (tell, told) = mpsc::channel();
    let inherited = Arc::downgrade(watcher);
    let fork = move |_| {
        let inherited = inherited.upgrade();
        let forked = Forked::begin(Stage::new(backend), inherited.as_deref());
        drop(inherited);
        // After a failure, the receiver is gone.
        let _ = tell.send(forked);
    };
    let watched = watcher.watch(child.pid(), Box::new(fork));
    watched.expect("the watcher takes a child");
    child.die(End::Code(0));
    let forked = told.recv_timeout(deadline::patience());
    child.reap();
    forked.expect("a copy is made")
}

/// A copy of this process, which waits for its cue.
struct Forked {
    copy: Pid,
    cue: OwnedFd,
    report: OwnedFd,
}

impl Forked {
    /// Forks the copy. It finds the watcher that it has `inherited` to be another
    /// process's.
    fn begin(stage: Stage<'_>, inherited: Option<&dyn PidWatcher>) -> Self {
        let (awaited, cue) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe for the cue");
        let (report, written) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe for the report");
        let parents = [cue.as_raw_fd(), report.as_raw_fd()];
        // SAFETY: the copy is made while no thread of this process is in an allocation of
        // its own, in a lock of std or in a watcher, and the C library's fork makes its own
        // locks free. That a copy of a callback's thread may do what it does here is under
        // test. It ends by `_exit`, and nothing unwinds out of it.
        let copy = unsafe {
            birth::fork_copy(move || {
                for parents in parents {
                    libc::close(parents);
                }
                let live = || live_on(stage, inherited, &awaited, &written);
                panic::catch_unwind(AssertUnwindSafe(live)).map_or(1, |()| DONE)
            })
        };
        let copy = copy.expect("a copy");
        Forked { copy, cue, report }
    }

    /// Gives the copy its cue. Returns what it has reported, and its status.
    fn work(self) -> (String, Option<i32>) {
        rustix::io::write(&self.cue, &[0]).expect("the copy waits");
        let copy = self.copy;
        let is_over = deadline::holds_within(deadline::patience(), || death::is_waitable(copy));
        if !is_over {
            death::kill(copy);
        }
        let status = death::reap(copy);
        assert!(is_over, "the copy hangs");
        let mut report = vec![0; 4096];
        let read = rustix::io::read(&self.report, &mut report).expect("a report");
        report.truncate(read);
        let report = String::from_utf8(report).expect("a report is text");
        (report, status.and_then(|status| status.code()))
    }
}

/// The copy's life.
fn live_on(
    stage: Stage<'_>,
    inherited: Option<&dyn PidWatcher>,
    awaited: &OwnedFd,
    written: &OwnedFd,
) {
    let cue = rustix::io::retry_on_intr(|| rustix::io::read(awaited, &mut [0_u8]));
    assert_eq!(cue, Ok(1), "the parent has ended");
    if let Some(inherited) = inherited {
        let child = RealNursery.spawn();
        let refused = inherited.try_wait(child.pid());
        assert!(matches!(refused, Err(WatchError::Forked)), "{refused:?}");
        let refused = inherited.watch(child.pid(), Probe::new().callback());
        assert!(matches!(refused, Err(WatchError::Forked)), "{refused:?}");
    }
    let own = if stage.backend().offers(Feature::RealProcesses).is_ok() {
        statuses_by_a_watcher(&stage)
    } else {
        // A thread of the parent may have used the table of simulated processes.
        Vec::new()
    };
    let report = format!("{:?} {own:?}", own_work());
    rustix::io::write(written, report.as_bytes()).expect("the parent reads");
}

/// The codes of some children, as a watcher of the copy's own reports them.
fn statuses_by_a_watcher(stage: &Stage<'_>) -> Vec<Option<i32>> {
    let watcher = stage.watcher();
    let codes = (60..65).map(|code| {
        let (mut child, probe) = (stage.child(), Probe::new());
        let watched = watcher.watch(child.pid(), probe.callback());
        watched.expect("the watcher takes a child");
        child.die(End::Code(code));
        let told = probe.ran_once().status();
        assert_eq!(told, child.reap());
        told.and_then(|status| status.code())
    });
    codes.collect()
}
