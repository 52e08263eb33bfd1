//! A program to which `/proc` shows nothing that it may not trace (`hidepid=2`): not even
//! its own children, where they are not dumpable.

use std::path::PathBuf;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::apart;
use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::{End, Nursery, RealNursery};
use crate::machine::namespace;

pub(super) const HOST: Host = Host {
    name: "hidepid",
    is: "a program without capabilities, whose /proc hides its own children (hidepid=2)",
    needs: &[
        Need::Machine(Facility::OwnProc),
        Need::Backend(Feature::WithoutProc),
    ],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    apart::in_a_new_pid_namespace(|| {
        namespace::mount_proc_that_hides().expect("the needs have been looked at");
        apart::in_a_copy(|| {
            become_ordinary();
            life.goes_on(|_| {
                let (own, program, copy) = (is_shown(std::process::id()), a_program(), a_copy());
                assert_eq!(
                    (own, program.0, copy.0),
                    (true, true, false),
                    "what /proc shows"
                );
                (program.1, copy.1)
            });
        });
    });
}

/// Gives up all that root may, and is not dumpable any more, as programs that keep keys.
/// Its forked children inherit both. A program that it executes is dumpable.
fn become_ordinary() {
    set_no_new_privs(true).expect("any process may");
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    set_capabilities(None, none).expect("any process may have less");
    set_dumpable_behavior(DumpableBehavior::NotDumpable).expect("any process may");
}

/// Whether a program is shown, and how it ends.
fn a_program() -> (bool, Option<i32>) {
    let mut program = Actor::start(&mut Role::Wait.command());
    let shown = is_shown(program.wait_until_ready());
    program.end_input();
    (shown, program.child().wait().expect("a child").code())
}

/// The same of a forked copy.
fn a_copy() -> (bool, Option<i32>) {
    let mut copy = RealNursery.spawn();
    let shown = is_shown(copy.pid());
    copy.die(End::Code(4));
    (shown, copy.reap().and_then(|status| status.code()))
}

fn is_shown(pid: impl ToString) -> bool {
    PathBuf::from("/proc")
        .join(pid.to_string())
        .join("stat")
        .exists()
}
