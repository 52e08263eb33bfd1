//! The first process of a pid namespace, such as a container's init. It adopts every orphan
//! and reaps it. The kernel discards signals to it that it has no handler for.

use childwatch_core::Pid;
use rustix::process::{WaitOptions, wait};

use super::apart;
use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::actor::{Actor, Role};
use crate::kit::deadline;
use crate::kit::sys::{death, signals};
use crate::machine::namespace;

pub(super) const HOST: Host = Host {
    name: "pid-1",
    is: "an init: it adopts orphans and reaps them, and signals do not end it",
    needs: &[Need::Machine(Facility::OwnProc)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    apart::in_a_new_pid_namespace(|| {
        namespace::mount_own_proc().expect("the needs have been looked at");
        assert_eq!(std::process::id(), 1);
        life.goes_on(|_| {
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1] {
                signals::signal_self(signal);
            }
            reaps_what_it_adopts()
        });
    });
}

/// Has some processes adopted, lets them exit, and reaps all that there is to be reaped, in
/// one go. Returns whether each was an orphan, and its code.
fn reaps_what_it_adopts() -> Vec<(bool, Option<i32>)> {
    let mut orphans: Vec<_> = (0..8).map(|_| Orphan::adopted()).collect();
    for orphan in &mut orphans {
        orphan.ends();
    }
    let is_orphan = |pid: i32| orphans.iter().any(|orphan| orphan.pid.as_raw() == pid);
    let mut reaped = Vec::new();
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        reaped.push((is_orphan(pid.as_raw_nonzero().get()), status.exit_status()));
    }
    reaped
}

/// A process whose parent has exited and been reaped.
struct Orphan {
    pid: Pid,
    family: Actor,
}

impl Orphan {
    fn adopted() -> Self {
        let mut family = Actor::start(&mut Role::LeaveOrphan.command());
        let pid = family.wait_until_ready();
        let _ = family.child().wait();
        deadline::until("the orphan is adopted", || death::is_child(pid));
        Orphan { pid, family }
    }

    /// Ends it, and waits until it is a zombie, or has been reaped by somebody else.
    fn ends(&mut self) {
        self.family.end_input();
        deadline::until("the orphan has exited", || {
            death::is_waitable(self.pid) || !death::is_child(self.pid)
        });
    }
}
