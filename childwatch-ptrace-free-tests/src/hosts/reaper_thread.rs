//! A program with a thread that reaps all children, and keeps their statuses.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::waitpid;

use super::children::Children;
use super::life::{Life, OnDrop};
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::locked::lock;
use crate::kit::sys::death;

pub(super) const HOST: Host = Host {
    name: "reaper-thread",
    is: "a program with a thread in waitpid(-1) that reaps all children",
    needs: &[],
    exceptions: &[],
    live,
};

/// The reaper reaps each child as soon as that has exited.
const A_MOMENT: Duration = Duration::from_secs(5);

/// How each child of the job ends.
const ENDS: [End; 12] = [
    End::Code(0),
    End::Code(1),
    End::Signal(libc::SIGKILL as u8),
    End::Code(2),
    End::Code(3),
    End::Signal(libc::SIGTERM as u8),
    End::Code(40),
    End::Code(41),
    End::Code(42),
    End::Code(125),
    End::Code(127),
    End::Code(255),
];

/// The statuses of all children that have been reaped.
type Statuses = Mutex<HashMap<i32, ExitStatus>>;

fn live(life: &Life<'_>) {
    let (statuses, is_over) = (Statuses::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| reap_all(&statuses, &is_over));
        let _end = OnDrop(|| is_over.store(true, Ordering::SeqCst));
        life.goes_on_where(Children::AreReaped, |_| run_some(&statuses));
    });
}

fn reap_all(statuses: &Statuses, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        match waitpid(None, death::wall()) {
            Ok(Some((pid, status))) => {
                let status = ExitStatus::from_raw(status.as_raw());
                lock(statuses).insert(pid.as_raw_nonzero().get(), status);
            }
            // There is no child now.
            _ => thread::park_timeout(Duration::from_millis(1)),
        }
    }
}

/// Runs some children at once. Returns what the reaper knows of each.
fn run_some(statuses: &Statuses) -> Vec<Option<ExitStatus>> {
    lock(statuses).clear();
    let children = ENDS.map(|_| RealNursery.spawn());
    for (child, end) in children.iter().zip(ENDS) {
        child.let_go(end);
    }
    deadline::holds_within(A_MOMENT, || lock(statuses).len() == ENDS.len());
    let of_each = children.iter().map(|child| {
        let pid = child.pid().as_raw();
        lock(statuses).get(&pid).copied()
    });
    of_each.collect()
}
