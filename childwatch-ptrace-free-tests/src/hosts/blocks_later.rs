//! A program that makes its watcher while `SIGCHLD` is not blocked, and blocks it later, before
//! each wait: `timeout`, the `wait` of a shell, `sigtimedwait` in a script.
//!
//! It relies on the signal being pending when it begins to sleep. If another thread has let the signal
//! through before, perhaps for a callback, that thread has taken it, and the sleep does not end. The
//! handler runs there then, also while the program does not block the signal, because both threads
//! are woken by the same exit. The handlers of Perl crash on a thread that is not their own. That of bash
//! changes the table of jobs, and the shell takes a command for successful that has failed.

use std::time::Duration;

use super::life::{Around, Life};
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::backend::stage::Stage;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild};
use crate::kit::deadline;
use crate::kit::driven::Driven;
use crate::kit::probe::Probe;
use crate::kit::sys::{forwarding, own_handler, receive, signals};

pub(super) const HOST: Host = Host {
    name: "blocks-later",
    is: "a program that blocks SIGCHLD after it has made its watcher, waits in sigsuspend, and has a \
         handler that belongs to its thread",
    needs: &[Need::Backend(Feature::RealProcesses)],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::OwnThread,
        notices: "the thread of the suite's loop, which runs the callbacks, lets SIGCHLD through \
                  and takes it. The wait does not end, and the handler runs there. A program that \
                  drives on the thread that waits is not hit",
    }],
    live,
};

const EXITS: usize = 20;

/// A signal that is there ends the sleep at once. If another thread has taken it, it never ends.
const A_MOMENT: Duration = Duration::from_secs(2);

fn live(life: &Life<'_>) {
    forwarding::forward_in_a_loop();
    own_handler::install_handler_of_this_thread();
    let stage = life.stage();
    let others = receive::threads_that_let_through(libc::SIGCHLD);
    life.goes_on(|around| job(stage, around, &others));
    if stage.backend().offers(Feature::Driver).is_ok() {
        while_this_thread_drives(stage);
    }
}

/// Each wait ends, and the handler runs on no other thread.
fn while_this_thread_drives(stage: &Stage<'_>) {
    let driven = stage.backend().driven();
    let Driven { watcher, driver } = &mut driven.expect("a watcher and its driver");
    own_handler::runs_elsewhere();
    for _ in 0..EXITS {
        let (watched, probe) = (stage.child(), Probe::new());
        let watch = watcher.watch(watched.pid(), probe.callback());
        watch.expect("the watcher takes a child");
        let is_ended = is_ended_by_the_exit_of(&*watched, || {
            // The callback may run before the wait, and the signal is still there.
            driver.drive(Some(Duration::ZERO)).expect("a drive");
        });
        assert!(is_ended, "a wait ends if the program drives by itself");
        deadline::until("the exit is told", || {
            probe.runs() == 1 || driver.drive(Some(A_MOMENT)).expect("a drive") == 1
        });
    }
    assert_eq!(own_handler::runs_elsewhere(), 0);
}

/// What the program notices.
#[derive(Debug, PartialEq, Eq)]
struct Noticed {
    /// Whether each wait was ended by the exit.
    ended: Vec<bool>,
    /// How often the handler ran on other threads.
    elsewhere: usize,
}

fn job(stage: &Stage<'_>, around: Around<'_>, others: &[i32]) -> Noticed {
    // The threads of the contract's cases have run it too.
    own_handler::runs_elsewhere();
    for _ in 0..EXITS {
        let (child, probe) = watched(stage, around);
        let before = own_handler::runs();
        child.die(End::Code(0));
        deadline::until("the handler has run", || own_handler::runs() != before);
        is_told(around, &probe, others);
    }
    let mut ended = Vec::new();
    for _ in 0..EXITS {
        let (child, probe) = watched(stage, around);
        ended.push(is_ended_by_the_exit_of(&*child, || {}));
        is_told(around, &probe, others);
    }
    // The callback may run before the sleep begins, and leaves the signal where it is. A backend that
    // depends on the program's handler reports the exit only then.
    if stage.backend().offers(Feature::SilentExits).is_ok() {
        let (child, probe) = watched(stage, around);
        ended.push(is_ended_by_the_exit_of(&*child, || {
            is_told(around, &probe, others);
        }));
    }
    let elsewhere = own_handler::runs_elsewhere();
    Noticed { ended, elsewhere }
}

/// A child that has a callback, if there is a watcher.
fn watched(stage: &Stage<'_>, around: Around<'_>) -> (Box<dyn GatedChild>, Probe) {
    let (child, probe) = (stage.child(), Probe::new());
    if let Some(watcher) = around.watcher {
        let watch = watcher.watch(child.pid(), probe.callback());
        watch.expect("the watcher takes a child");
    }
    (child, probe)
}

/// Waits for the callback, if there is a watcher, and until its thread blocks the signal again. If
/// another child exited during a callback, the thread might take the signal, which is a documented
/// limit.
fn is_told(around: Around<'_>, probe: &Probe, others: &[i32]) {
    if around.watcher.is_some() {
        probe.ran_once();
        deadline::until("the watcher's thread blocks the signal again", || {
            let now = receive::threads_that_let_through(libc::SIGCHLD);
            now.iter().all(|thread| others.contains(thread))
        });
    }
}

/// Blocks `SIGCHLD`, lets the child exit, and sleeps. Returns `true` if a signal ends the sleep.
fn is_ended_by_the_exit_of(child: &dyn GatedChild, before: impl FnOnce()) -> bool {
    signals::block_sigchld();
    child.die(End::Code(0));
    before();
    let is_ended = receive::is_interrupted_within(A_MOMENT);
    signals::unblock_sigchld();
    is_ended
}
