//! Many children.

use std::time::Duration;

use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::kit::child::End;
use crate::kit::crowd::{self, Crowd};
use crate::kit::probe::Probe;
use crate::kit::sys::{death, threads};

/// An exit among ten thousand idle children costs the watcher's thread little, and
/// then nothing.
pub(super) fn of_ten_thousand_one_exits(stage: &Stage<'_>) {
    let (mut crowd, _gate) = Crowd::gather(10_000).unwrap();
    let watcher = stage.watcher();
    let (never, probe) = (Probe::new(), Probe::new());
    for member in crowd.members() {
        watcher.watch(member.pid(), never.callback()).unwrap();
    }
    let thread = super::status::watchers_thread(&*watcher, stage);

    // On an emulated processor one look at each child takes longer than the usual burst.
    let burst = Duration::from_millis(100).max(3 * cost_of_a_look_at_each(&mut crowd));
    let (start, before) = (crowd::now(), threads::processor_time(thread));
    let delay = threads::run_delay(thread);
    for exits in 1..=10 {
        let mut child = stage.child();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(End::Code(0));
        // One at a time: no two share what they cost.
        probe.ran(exits);
        child.reap();
    }
    let taken = threads::processor_time(thread) - before;
    // Looking at every child for every exit would take far more than a burst of
    // sweeping and its share of the time after that: of the time that a busy machine
    // has left it.
    let delay = threads::run_delay(thread) - delay;
    let allowed = burst + (crowd::now() - start).saturating_sub(delay) / 5;
    if stage.backend().offers(Feature::CheapExits).is_ok() {
        assert!(
            taken < allowed,
            "{taken:?} of processor time, and {allowed:?} are allowed"
        );
    }
    super::status::assert_no_spin(&*watcher, stage);
    assert_eq!(never.runs(), 0);
}

/// Returns the processor time in which this thread asks the kernel about each of them.
fn cost_of_a_look_at_each(crowd: &mut Crowd) -> Duration {
    let own = threads::thread_id();
    let before = threads::processor_time(own);
    for member in crowd.members() {
        assert!(!death::is_waitable(member.pid()), "all are alive");
    }
    threads::processor_time(own) - before
}
