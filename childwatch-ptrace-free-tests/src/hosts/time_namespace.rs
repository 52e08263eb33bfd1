//! A program in a time namespace, as in a container that was moved between machines.
//!
//! The time since boot is another there. A watcher that tells processes apart by their start
//! must compare it with a clock of the same namespace.

use super::apart;
use super::life::Life;
use crate::backend::Need;
use crate::case::Case;
use crate::child::{End, Nursery, RealNursery};
use crate::host::Host;

pub(super) const HOST: Host = Host {
    name: "time-namespace",
    is: "a container with a time namespace: it has been up for days longer than its machine",
    needs: &[Need::TimeNamespace],
    exceptions: &[],
    live,
};

/// Cases in which a number comes back.
const CASES: &[&str] = &[
    "the_number_of_a_registered_process_comes_back",
    "a_successors_status_is_not_told_for_a_process",
];

fn live(life: &Life<'_>) {
    apart::in_another_time(|| {
        life.goes_on(|_| {
            let mut child = RealNursery.spawn();
            child.die(End::Code(3));
            child.reap()
        });
        for case in CASES.iter().filter_map(|name| Case::named(name)) {
            if case.is_supported(life.stage().backend()).is_ok() {
                (case.run)(life.stage());
            }
        }
    });
}
