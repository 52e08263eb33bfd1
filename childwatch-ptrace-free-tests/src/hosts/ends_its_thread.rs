//! A program that ends its only thread, which ends the process.
//!
//! The system call `exit` ends one thread, and a process ends with its last. A process that the C
//! library's `clone` has made ends so when its function returns: the first process of a container is
//! often such a one.

use super::apart;
use super::life::Life;
use crate::backend::feature::Feature;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::driven::Driven;
use crate::kit::sys::threads;

pub(super) const HOST: Host = Host {
    name: "ends-its-thread",
    is: "a program that ends its only thread, and so the process",
    needs: &[],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::NoThread,
        notices: "the process goes on, because the watcher's thread does. A program that drives by \
                  itself is not hit",
    }],
    live,
};

fn live(life: &Life<'_>) {
    ends_after(|| {});
    if life.stage().backend().offers(Feature::OwnThread).is_ok() {
        ends_after(|| drop(life.stage().watcher()));
    }
    if life.stage().backend().offers(Feature::Driver).is_ok() {
        ends_after(|| {
            let driven = life.stage().backend().driven();
            let Driven { watcher, driver } = driven.expect("a watcher and its driver");
            // Nobody drops them.
            std::mem::forget((watcher, driver));
        });
    }
    life.goes_on(|_| ());
}

/// A copy of this program ends with its only thread after this.
fn ends_after(before: impl FnOnce()) {
    apart::in_a_copy(|| {
        before();
        threads::exit_thread_only()
    });
}
