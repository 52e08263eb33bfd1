//! A program that makes its watcher while `SIGCHLD` is not blocked, and blocks it later, before
//! each wait: `timeout`, the `wait` of a shell, `sigtimedwait` in a script.
//!
//! It relies on the signal being pending when it begins to sleep. If another thread has let the signal
//! through before, perhaps for a callback, that thread has taken it, and the sleep does not end. The
//! handler runs there then. That of Perl, which blocks signals around each fork, crashes on a
//! thread that is not its own.

use std::time::Duration;

use super::life::{Around, Life};
use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::driven::Driven;
use crate::kit::probe::Probe;
use crate::kit::sys::{forwarding, own_handler, receive, signals};

pub(super) const HOST: Host = Host {
    name: "blocks-later",
    is: "a program that blocks SIGCHLD after it has made its watcher, waits in sigsuspend, and has a \
         handler that belongs to its thread",
    needs: &[],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::NoThread,
        notices: "the thread that runs a callback, which is the watcher's or that of the suite's \
                  loop, lets SIGCHLD through and takes it. The wait does not end, and the handler \
                  runs there. A program that drives on the thread that waits is not hit",
    }],
    live,
};

const WAITS: usize = 20;

/// A signal that is there ends the sleep at once. If another thread has taken it, it never ends.
const A_MOMENT: Duration = Duration::from_secs(2);

fn live(life: &Life<'_>) {
    forwarding::forward_in_a_loop();
    own_handler::install_handler_of_this_thread();
    let stage = life.stage();
    life.goes_on(|around| waits(|| one_wait(stage, around)));
    if stage.backend().offers(Feature::Driver).is_ok() {
        while_this_thread_drives(stage);
    }
}

/// Each wait ends, and the handler runs on no other thread.
fn while_this_thread_drives(stage: &Stage<'_>) {
    let driven = stage.backend().driven();
    let Driven { watcher, driver } = &mut driven.expect("a watcher and its driver");
    own_handler::runs_elsewhere();
    for _ in 0..WAITS {
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

/// Returns for each wait whether it was ended, and how often the handler ran on other threads.
fn waits(one: impl FnMut() -> bool) -> (Vec<bool>, usize) {
    // The threads of the contract's cases have run it too.
    own_handler::runs_elsewhere();
    let ended = std::iter::repeat_with(one).take(WAITS).collect();
    (ended, own_handler::runs_elsewhere())
}

/// Waits for the exit of a child that has a callback, if there is a watcher.
fn one_wait(stage: &Stage<'_>, around: Around<'_>) -> bool {
    let (watched, probe) = (stage.child(), Probe::new());
    if let Some(watcher) = around.watcher {
        let watch = watcher.watch(watched.pid(), probe.callback());
        watch.expect("the watcher takes a child");
    }
    is_ended_by_the_exit_of(&*watched, || {
        if around.watcher.is_some() {
            probe.ran_once();
        }
    })
}

/// Blocks `SIGCHLD`, lets children exit, and sleeps. Returns `true` if a signal ends the sleep.
///
/// One more child is a real one: the exit of a simulated process sends no signal.
fn is_ended_by_the_exit_of(watched: &dyn GatedChild, before: impl FnOnce()) -> bool {
    let real = RealNursery.spawn();
    signals::block_sigchld();
    real.die(End::Code(0));
    watched.die(End::Code(0));
    before();
    let is_ended = receive::is_interrupted_within(A_MOMENT);
    signals::unblock_sigchld();
    is_ended
}
