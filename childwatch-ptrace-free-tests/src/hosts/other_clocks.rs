//! A program in a time namespace: its boot clock and its monotonic clock are others than
//! the machine's, and far apart, as after a suspension or a restore.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::time::ClockId;

use super::apart;
use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::sys::threads;
use crate::machine::namespace;

pub(super) const HOST: Host = Host {
    name: "time-namespace",
    is: "a program in a time namespace, whose boot clock is days ahead of its monotonic clock",
    needs: &[Need::Machine(Facility::TimeNamespace)],
    exceptions: &[],
    live,
};

/// How far the clocks are ahead of the machine's.
const BOOT_AHEAD: Duration = Duration::from_secs(100 * 24 * 3600);
const MONOTONIC_AHEAD: Duration = Duration::from_secs(3600);

/// What the machine's own clocks may be apart.
const SUSPENDED: Duration = Duration::from_secs(10 * 24 * 3600);

fn live(life: &Life<'_>) {
    namespace::leave_for_other_clocks(BOOT_AHEAD, MONOTONIC_AHEAD)
        .expect("the needs have been looked at");
    // It is born there.
    apart::in_a_copy(|| life.goes_on(|_| time_some_children()));
}

/// What is seen of each child: its status, that its wait was timed, and that the clocks
/// are apart.
fn time_some_children() -> Vec<(Option<ExitStatus>, bool, bool)> {
    let of_each = (0..5).map(|code| {
        let begin = Instant::now();
        let mut child = RealNursery.spawn();
        child.die(End::Code(code));
        let status = child.reap();
        let is_timed = begin.elapsed() < deadline::patience();
        let boot = threads::time_by(ClockId::Boottime);
        let apart = boot.saturating_sub(threads::time_by(ClockId::Monotonic));
        (status, is_timed, apart > BOOT_AHEAD - SUSPENDED)
    });
    of_each.collect()
}
