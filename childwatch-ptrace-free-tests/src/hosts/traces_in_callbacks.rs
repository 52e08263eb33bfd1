//! A jailer that begins to trace its prisoners in callbacks. A prisoner is killed when its
//! tracer ends.
//!
//! The kernel means the thread that traces, and not the process.

use super::life::{Around, Life};
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::child::{GatedChild, Nursery, RealNursery};
use crate::kit::sys::death;
use crate::kit::sys::tracing::Tracee;

pub(super) const HOST: Host = Host {
    name: "traces-in-callbacks",
    is: "a jailer that begins to trace its prisoners in callbacks",
    needs: &[Need::Machine(Facility::Ptrace)],
    exceptions: &[Exception {
        at: &[Moment::Dropped],
        unless: Feature::NoThread,
        notices: "the tracer was the watcher's thread, so the prisoners are killed",
    }],
    live,
};

fn live(life: &Life<'_>) {
    let mut prisoners: Vec<Box<dyn GatedChild>> = Vec::new();
    life.goes_on(|around| {
        let prisoner = RealNursery.spawn();
        jail(life, around, prisoner.pid());
        prisoners.push(prisoner);
        let mut pids = prisoners.iter().map(|prisoner| prisoner.pid());
        pids.all(|pid| !death::is_waitable(pid))
    });
}

fn jail(life: &Life<'_>, around: Around<'_>, prisoner: childwatch_core::Pid) {
    let jail = move || Tracee::jail(prisoner).expect("the needs have been looked at");
    if around.watcher.is_some() {
        around.on_another_thread(life.stage(), jail);
    } else {
        // This thread lives as long as the program.
        jail();
    }
}
