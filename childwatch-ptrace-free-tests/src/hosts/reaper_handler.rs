//! A program whose handler of `SIGCHLD` reaps all children, as old servers do.

use std::process::ExitStatus;
use std::time::Duration;

use super::children::Children;
use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::sys::{forwarding, own_handler};

pub(super) const HOST: Host = Host {
    name: "reaper-handler",
    is: "an old server, whose handler of SIGCHLD calls waitpid(-1, WNOHANG) in a loop",
    needs: &[],
    exceptions: &[],
    live,
};

/// The handler reaps each child as soon as that has exited.
const A_MOMENT: Duration = Duration::from_secs(5);

/// How many children the job has at one time.
const CHILDREN: u8 = 40;

fn live(life: &Life<'_>) {
    forwarding::forward_in_a_loop();
    own_handler::install_reaping_handler();
    life.goes_on_where(Children::AreReaped, |_| run_some());
}

/// Runs some children at once. Returns what the handler has found of each.
fn run_some() -> Vec<Option<ExitStatus>> {
    own_handler::forget_reaped();
    let children: Vec<_> = (0..CHILDREN).map(|_| RealNursery.spawn()).collect();
    for (code, child) in (0..).zip(&children) {
        child.let_go(End::Code(code));
    }
    let of_each = || {
        let pids = children.iter().map(|child| child.pid());
        pids.map(own_handler::reaped_by_handler).collect::<Vec<_>>()
    };
    deadline::holds_within(A_MOMENT, || of_each().iter().all(Option::is_some));
    of_each()
}
