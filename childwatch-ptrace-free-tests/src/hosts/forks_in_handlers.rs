//! A program with one thread that forks and changes its user in a handler, as old servers do in
//! that of `SIGCHLD`, and in its loop too.
//!
//! glibc takes locks for these calls, and for its allocator, when a process has a second thread,
//! or has had one. If the handler has interrupted a call that holds the lock, it waits for ever.

use super::apart;
use super::life::Life;
use crate::backend::feature::Feature;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::driven::Driven;
use crate::kit::sys::in_handlers;

pub(super) const HOST: Host = Host {
    name: "forks-in-handlers",
    is: "a program with one thread whose handler forks and changes the user, as its loop does",
    needs: &[],
    exceptions: &[Exception {
        at: &[
            Moment::Idle,
            Moment::Watching,
            Moment::GivenBack,
            Moment::Dropped,
        ],
        unless: Feature::NoThread,
        notices: "glibc locks what it did not lock before there was a thread. If the handler \
                  interrupts the same call, or the allocator, it waits for ever. A \
                  program that drives by itself is not hit",
    }],
    live,
};

fn live(life: &Life<'_>) {
    if life.stage().backend().offers(Feature::Driver).is_ok() {
        apart::in_a_copy(|| {
            let driven = life.stage().backend().driven();
            let Driven { watcher, driver } = driven.expect("a watcher and its driver");
            job();
            drop((watcher, driver));
            job();
        });
    }
    life.goes_on(|_| job());
}

fn job() {
    const RUNS: usize = 50;
    let end = in_handlers::runs() + RUNS;
    let _handler = in_handlers::Handler::begin();
    while in_handlers::runs() < end {
        in_handlers::call_and_allocate();
    }
}
