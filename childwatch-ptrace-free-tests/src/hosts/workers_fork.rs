//! A server that forks its workers, while other threads make and drop watchers.

#![expect(
    unsafe_code,
    reason = "copies of a process with threads, which exit or execute a program"
)]

use std::env;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use childwatch_core::{Pid, PidWatcher, WatchError};

use super::life::{Around, Life, OnDrop};
use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::hosts::host::Host;
use crate::kit::actor::{ACTOR_FLAG, Role};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::{birth, death};

pub(super) const HOST: Host = Host {
    name: "workers-fork",
    is: "a prefork server: threads make and drop watchers while others fork copies that \
         exit or execute a program",
    needs: &[],
    exceptions: &[],
    live,
};

/// How many threads fork.
const FORKERS: u8 = 2;
/// How many copies each of them makes.
const COPIES: u8 = 12;
/// What a copy exits with that does not find its watcher to be its parent's.
const NOT_FORKED: i32 = 99;

fn live(life: &Life<'_>) {
    let stage = life.stage();
    life.goes_on(|around| serve(stage, around));
}

/// Forks the workers. Returns how each of them ended.
fn serve(stage: &Stage<'_>, around: Around<'_>) -> Vec<Option<i32>> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _end = OnDrop(|| is_over.store(true, Ordering::SeqCst));
        if let Some(watcher) = around.watcher {
            scope.spawn(|| make_and_drop_watchers(stage, &is_over));
            scope.spawn(|| ask_without_end(stage, watcher, &is_over));
        }
        let forkers = (0..FORKERS).map(|forker| {
            scope.spawn(move || {
                let codes = (0..COPIES).map(|copy| forker * COPIES + copy);
                codes
                    .map(|code| work(stage, around, code))
                    .collect::<Vec<_>>()
            })
        });
        // All of them fork at a time.
        let forkers: Vec<_> = forkers.collect();
        let ended = forkers.into_iter().map(|forker| forker.join());
        ended
            .flat_map(|codes| codes.expect("a thread that forks"))
            .collect()
    })
}

fn make_and_drop_watchers(stage: &Stage<'_>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let watcher = stage.watcher();
        stage.settle(&*watcher);
    }
}

/// Keeps the watcher's locks busy.
fn ask_without_end(stage: &Stage<'_>, watcher: &Arc<dyn PidWatcher>, is_over: &AtomicBool) {
    let child = stage.child();
    while !is_over.load(Ordering::SeqCst) {
        let alive = watcher.try_wait(child.pid());
        assert!(matches!(alive, Ok(None)), "{alive:?} of a child that lives");
    }
}

/// Forks a worker that ends with `code`: at once, or as another program. Returns what it
/// ended with.
fn work(stage: &Stage<'_>, around: Around<'_>, code: u8) -> Option<i32> {
    let program = Program::that_exits_with(code);
    let own = Pid::try_from(std::process::id()).expect("a pid");
    // SAFETY: the copy calls the watcher, for which it is under test that a copy may, and
    // `execv` or `_exit`.
    let copy = unsafe {
        birth::fork_copy(|| {
            if let Some(watcher) = around.watcher {
                let asked = watcher.try_wait(own);
                if !matches!(asked, Err(WatchError::Forked)) {
                    return NOT_FORKED;
                }
            }
            if code % 2 == 1 {
                program.execute();
            }
            code.into()
        })
    };
    let copy = copy.expect("a copy");
    let probe = Probe::new();
    let is_watched = stage.backend().offers(Feature::RealProcesses).is_ok();
    let watcher = around.watcher.filter(|_| is_watched);
    if let Some(watcher) = watcher {
        let watched = watcher.watch(copy, probe.callback());
        watched.expect("the watcher takes a copy");
    }
    let is_over = deadline::holds_within(deadline::patience(), || death::is_waitable(copy));
    if !is_over {
        death::kill(copy);
    }
    let told = watcher.map(|_| probe.ran_once().status());
    let status = death::reap(copy);
    assert!(is_over, "a copy hangs");
    assert!(
        told.is_none_or(|told| told == status),
        "{told:?} is told of {status:?}"
    );
    status.and_then(|status| status.code())
}

/// A program, with its arguments, that a copy can execute without an allocation.
struct Program {
    file: CString,
    arguments: Vec<CString>,
}

impl Program {
    fn that_exits_with(code: u8) -> Self {
        let file = env::current_exe().expect("this program's own file");
        let file = CString::new(file.as_os_str().as_bytes()).expect("a path");
        let flags = [
            ACTOR_FLAG.to_owned(),
            Role::Exit.name().to_owned(),
            code.to_string(),
        ];
        let flags = flags.map(|flag| CString::new(flag).expect("an argument"));
        let arguments = [file.clone()].into_iter().chain(flags).collect();
        Program { file, arguments }
    }

    /// Executes the program in this process's place. Returns if that fails.
    fn execute(&self) {
        let mut pointers = [ptr::null(); 8];
        for (pointer, argument) in pointers.iter_mut().zip(&self.arguments) {
            *pointer = argument.as_ptr();
        }
        // SAFETY: the strings live across the call, and null follows the last of them.
        unsafe { libc::execv(self.file.as_ptr(), pointers.as_ptr()) };
    }
}
