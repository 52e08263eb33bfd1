//! A database that collects the stacks of all its threads for a report, by a signal of its
//! own.
//!
//! It takes the list of threads from the kernel, and waits for an answer from each.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::sys::answered::AnsweredSignal;

pub(super) const HOST: Host = Host {
    name: "collects-stacks",
    is: "a database that signals each of its threads with SIGUSR2 and waits for their stacks",
    needs: &[],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::NoThread,
        notices: "the watcher's thread blocks the signal, so its answer never comes",
    }],
    live,
};

fn live(life: &Life<'_>) {
    let _handler = AnsweredSignal::handle(libc::SIGUSR2);
    life.goes_on(|_| {
        let answered = (0..20).map(|_| AnsweredSignal::ask_all(libc::SIGUSR2));
        answered.collect::<Vec<()>>().len()
    });
}
