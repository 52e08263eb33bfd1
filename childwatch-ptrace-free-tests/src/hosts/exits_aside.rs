//! A program that calls `exit` on another thread than its first, and ends its children while
//! it exits.
//!
//! Rust's std unmaps the first thread's alternate stack for signals then, before the exit
//! handlers run. Without a handler of `SIGCHLD` this harms nothing. With a handler that runs
//! on alternate stacks, the next exit of a child ends the program by SIGSEGV.

use std::mem;
use std::process;
use std::thread;

use childwatch_core::{Pid, PidWatcher};

use super::apart;
use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::backend::stage::Stage;
use crate::hosts::exception::Moment;
use crate::hosts::host::Host;
use crate::kit::actor::Role;
use crate::kit::child::End;
use crate::kit::probe::Probe;
use crate::kit::sys::birth;

pub(super) const HOST: Host = Host {
    name: "exits-aside",
    is: "a program that calls exit on another thread than its first, and ends its children then",
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[],
    live,
};

/// The program's exit code.
const CODE: i32 = 5;

/// The program ends each time, so that each is a copy, made before there is a watcher.
fn live(life: &Life<'_>) {
    let moments = [
        Moment::Without,
        Moment::Idle,
        Moment::Watching,
        Moment::GivenBack,
        Moment::Dropped,
    ];
    for moment in moments {
        let copy = apart::begin(|| {
            birth::end_children_at_exit();
            reach(moment, life.stage());
            exit_aside()
        });
        let status = apart::end_of(copy);
        assert_eq!(status.code(), Some(CODE), "{moment}: {status}");
    }
    life.goes_on(|_| ());
}

/// Brings the life of a watcher to this moment, and leaves it there.
fn reach(moment: Moment, stage: &Stage<'_>) {
    if moment == Moment::Without {
        return;
    }
    let watcher = stage.watcher();
    if moment == Moment::Watching {
        watch_until_the_end(stage, &*watcher);
    } else if moment != Moment::Idle {
        let (mut child, probe) = (stage.child(), Probe::new());
        let watched = watcher.watch(child.pid(), probe.callback());
        watched.expect("the watcher takes a child");
        child.die(End::Code(0));
        probe.ran_once();
        child.reap();
    }
    if moment != Moment::Dropped {
        mem::forget(watcher);
    }
}

/// Watches a child that ends with this process, because its input ends then.
fn watch_until_the_end(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    if stage.backend().offers(Feature::RealProcesses).is_ok() {
        let child = Role::Wait.command().spawn().expect("a child");
        let watched = watcher.register_pid(Pid::from(&child));
        watched.expect("the watcher takes a child");
        mem::forget(child);
    }
}

fn exit_aside() {
    thread::spawn(|| process::exit(CODE));
    loop {
        thread::park();
    }
}
