//! A program in a time namespace: its boot clock and its monotonic clock are others than
//! the machine's, and far apart, as after a suspension or a restore.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::time::ClockId;

use super::apart;
use super::life::Life;
use crate::backend::Need;
use crate::child::{End, Nursery, RealNursery};
use crate::host::Host;
use crate::{deadline, namespace, sys};

pub(super) const HOST: Host = Host {
    name: "time-namespace",
    is: "a program in a time namespace, whose boot clock is days ahead of its monotonic clock",
    needs: &[Need::TimeNamespace],
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
        let boot = sys::time_by(ClockId::Boottime);
        let apart = boot.saturating_sub(sys::time_by(ClockId::Monotonic));
        (status, is_timed, apart > BOOT_AHEAD - SUSPENDED)
    });
    of_each.collect()
}
