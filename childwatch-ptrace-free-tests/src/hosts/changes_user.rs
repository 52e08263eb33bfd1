//! A server that for a while acts as the user of a request.
//!
//! The kernel keeps the user of each thread. The C library changes all of them by a signal,
//! and waits until each thread has answered. A thread that blocks this signal, or that the
//! library does not know, would hang the server or keep its rights.

use std::collections::BTreeSet;

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::alone;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::probe::Probe;
use crate::kit::sys::users;

pub(super) const HOST: Host = Host {
    name: "changes-user",
    is: "a server that acts as another user for a while, on all its threads",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|around| {
        let as_another = users::OtherUser::begin();
        let users: BTreeSet<_> = users::users_of_threads().into_iter().collect();
        let mut child = RealNursery.spawn();
        child.die(End::Code(3));
        let status = child.reap();
        if let Some(watcher) = around.watcher {
            let (mut child, probe) = (life.stage().child(), Probe::new());
            let watched = watcher.watch(child.pid(), probe.callback());
            watched.expect("the watcher takes a child");
            child.die(End::Code(4));
            assert_eq!(probe.ran_once().status(), child.reap());
        }
        drop(as_another);
        let users_after: BTreeSet<_> = users::users_of_threads().into_iter().collect();
        // A change of the user takes this away.
        alone::end_with_the_runner();
        (users, users_after, status)
    });
}
