//! A program that gives up its user and keeps its capabilities, as `setpriv(1)` and servers
//! that drop their privileges do.
//!
//! `prctl(PR_SET_KEEPCAPS)` and `capset` reach the thread that calls them. The C library's `setresuid`
//! and `setresgid` change all threads. So a second thread loses its capabilities with the
//! first of these calls. The kernel refuses the next one there, and the C library ends the process.
//!
//! A watcher that is made after the change has the same capabilities as its maker, and the
//! program may go on as another.

use std::io;
use std::time::Duration;

use super::apart;
use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::alone;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::driven::Driven;
use crate::kit::probe::Probe;
use crate::kit::sys::users;

pub(super) const HOST: Host = Host {
    name: "keeps-capabilities",
    is: "a program that changes its user and its group, and keeps its capabilities",
    needs: &[Need::Machine(Facility::OtherUsers)],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::NoThread,
        notices: "the watcher's thread, or that of the suite's loop, loses its capabilities when the user changes. So the change of \
                  the group is refused there, and the C library ends the program. A watcher \
                  that is made after the change, or that the program drives, is not hit",
    }],
    live,
};

const A_MOMENT: Duration = Duration::from_secs(1);

fn live(life: &Life<'_>) {
    apart::in_a_copy(|| made_after_the_change(life));
    if life.stage().backend().offers(Feature::Driver).is_ok() {
        apart::in_a_copy(|| while_this_thread_drives(life));
    }
    life.goes_on(|_| {
        let changed = changes_all();
        // A change of the user takes this away.
        alone::end_with_the_runner();
        let mut child = RealNursery.spawn();
        child.die(End::Code(3));
        (changed.is_ok(), child.reap())
    });
}

fn changes_all() -> io::Result<()> {
    users::become_another_with_capabilities()?;
    users::change_the_group()?;
    users::become_root_again()
}

fn made_after_the_change(life: &Life<'_>) {
    users::become_another_with_capabilities().expect("the needs have been looked at");
    let watcher = life.stage().watcher();
    let (mut child, probe) = (life.stage().child(), Probe::new());
    let watched = watcher.watch(child.pid(), probe.callback());
    watched.expect("the watcher takes a child");
    users::change_the_group().expect("no thread is refused it");
    child.die(End::Code(4));
    assert_eq!(probe.ran_once().status(), child.reap());
    drop(watcher);
    users::change_the_group().expect("no thread is refused it");
}

/// The watcher has no thread, so the kernel refuses nothing.
fn while_this_thread_drives(life: &Life<'_>) {
    let driven = life.stage().backend().driven();
    let Driven { watcher, driver } = &mut driven.expect("a watcher and its driver");
    let (mut child, probe) = (life.stage().child(), Probe::new());
    let watched = watcher.watch(child.pid(), probe.callback());
    watched.expect("the watcher takes a child");
    changes_all().expect("no thread is refused it");
    child.die(End::Code(4));
    deadline::until("the exit is told", || {
        driver.drive(Some(A_MOMENT)).expect("a drive") == 1
    });
    assert_eq!(probe.ran_once().status(), child.reap());
}
