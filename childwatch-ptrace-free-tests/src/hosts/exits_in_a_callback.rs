//! A wrapper around one program, as an init of a container is: it exits with the code of its
//! child as soon as the child has exited, in the callback. Its exit handlers have work to do.
//!
//! The signal of that very exit may still be handled on the first thread then. Rust's std
//! unmaps the alternate stack of that thread as the process exits.

use std::process;
use std::thread;

use super::apart;
use super::life::Life;
use crate::backend::stage::Stage;
use crate::hosts::host::Host;
use crate::kit::child::End;
use crate::kit::probe::Probe;
use crate::kit::sys::endings;

pub(super) const HOST: Host = Host {
    name: "exits-in-a-callback",
    is: "a wrapper that exits in a callback, with the code of its child",
    needs: &[],
    exceptions: &[],
    live,
};

const CODE: u8 = 5;

/// The race is lost nearly always if it can be.
const ROUNDS: usize = 8;

/// The program ends each time, so that each is a copy, made before there is a watcher.
fn live(life: &Life<'_>) {
    ends_with_the_code("without a watcher", exits_without);
    for _ in 0..ROUNDS {
        ends_with_the_code("in a callback", || exits_in_a_callback(life.stage()));
    }
    life.goes_on(|_| ());
}

#[track_caller]
fn ends_with_the_code(how: &str, wrapper: impl FnOnce()) {
    let status = apart::end_of(apart::begin(|| {
        endings::await_the_first_thread_at_exit();
        wrapper();
    }));
    assert_eq!(status.code(), Some(i32::from(CODE)), "{how}: {status}");
}

fn exits_without() {
    thread::spawn(|| process::exit(CODE.into()));
    rests();
}

fn exits_in_a_callback(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    // The watcher is quick once it has run.
    for _ in 0..3 {
        let (mut child, probe) = (stage.child(), Probe::new());
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(End::Code(0));
        probe.ran_once();
        child.reap();
    }
    let child = stage.child();
    let exits = watcher.watch(
        child.pid(),
        Box::new(|exit| {
            let code = exit.status().and_then(|status| status.code());
            process::exit(code.expect("a child that has exited"));
        }),
    );
    exits.expect("the watcher takes a child");
    child.let_go(End::Code(CODE));
    rests();
}

fn rests() {
    loop {
        thread::park();
    }
}
