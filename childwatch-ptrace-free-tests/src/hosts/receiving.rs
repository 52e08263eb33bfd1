//! Programs that receive `SIGCHLD` themselves, in a loop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::life::{Life, OnDrop};
use crate::backend::feature::Feature;
use crate::hosts::exception::{Exception, Moment};
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::locked::lock;
use crate::kit::sys::forwarding;
use crate::kit::sys::receive::ChildSignal;

/// The documented exception of programs that receive `SIGCHLD` themselves.
pub(super) const TAKEN: Exception = Exception {
    at: &[Moment::Watching],
    unless: Feature::SignalsLeft,
    notices: "while a child is watched, signals go to the watcher's thread and not to the \
              program",
};

/// A signal that is there is received at once. If somebody else has taken it, it never comes.
const A_MOMENT: Duration = Duration::from_secs(2);

/// How often the loop looks whether it is to end.
const TURN: Duration = Duration::from_millis(20);

/// Lives as a program whose loop receives `SIGCHLD` by `receive`, which waits for at most
/// so long. The signal is blocked on all threads.
///
/// If the program forwards signals to the backend, the loop runs all the time and forwards
/// them. Otherwise it runs while the program does its job.
#[track_caller]
pub(super) fn in_a_loop(life: &Life<'_>, receive: impl Fn(Duration) -> Option<ChildSignal> + Sync) {
    if life.stage().backend().offers(Feature::Forwarding).is_ok() {
        forwarding::forward_in_a_loop();
        all_the_time(life, receive);
    } else {
        for_the_job(life, receive);
    }
}

/// The same as a program whose loop lets a handler of the program's run. A backend that
/// listens to `SIGCHLD` receives the signal then, and at no other time.
#[track_caller]
pub(super) fn in_a_loop_with_a_handler(
    life: &Life<'_>,
    receive: impl Fn(Duration) -> Option<ChildSignal> + Sync,
) {
    if life.stage().backend().offers(Feature::ChildSignal).is_ok() {
        all_the_time(life, receive);
    } else {
        in_a_loop(life, receive);
    }
}

#[track_caller]
fn all_the_time(life: &Life<'_>, receive: impl Fn(Duration) -> Option<ChildSignal> + Sync) {
    let heard = Mutex::default();
    beside(&heard, &receive, || {
        life.goes_on(|_| {
            comes_to_rest(&heard);
            hear_of_each(&heard)
        });
    });
}

#[track_caller]
fn for_the_job(life: &Life<'_>, receive: impl Fn(Duration) -> Option<ChildSignal> + Sync) {
    let heard = Mutex::default();
    life.goes_on(|_| beside(&heard, &receive, || hear_of_each(&heard)));
}

/// Runs the loop on another thread while `body` runs on this one.
fn beside<R>(
    heard: &Mutex<Vec<i32>>,
    receive: &(impl Fn(Duration) -> Option<ChildSignal> + Sync),
    body: impl FnOnce() -> R,
) -> R {
    // A signal that is pending would be merged with the next one.
    while receive(Duration::ZERO).is_some() {}
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                if let Some(signal) = receive(TURN) {
                    lock(heard).push(signal.pid);
                    forwarding::forward(signal.pid, signal.code, signal.status);
                }
            }
        });
        // The scope waits for the loop also if the body panics.
        let _end = OnDrop(|| is_over.store(true, Ordering::SeqCst));
        body()
    })
}

/// Waits until the loop receives a child's signal. If the signal of a watched child was
/// pending before, the next signal is merged with it, and the loop misses the next child.
fn comes_to_rest(heard: &Mutex<Vec<i32>>) {
    deadline::until("the loop hears of a child", || {
        let child = RealNursery.spawn();
        let pid = child.pid().as_raw();
        child.die(End::Code(0));
        deadline::holds_within(TURN * 5, || lock(heard).contains(&pid))
    });
}

/// Lets some children exit, one after the other. Returns for each whether the loop received
/// its signal.
fn hear_of_each(heard: &Mutex<Vec<i32>>) -> Vec<bool> {
    let one = |_| {
        let child = RealNursery.spawn();
        let pid = child.pid().as_raw();
        child.die(End::Code(0));
        deadline::holds_within(A_MOMENT, || lock(heard).contains(&pid))
    };
    (0..20).map(one).collect()
}
