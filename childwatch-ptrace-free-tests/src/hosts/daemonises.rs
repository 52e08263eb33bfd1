//! A daemon of the old kind: it forks twice, begins a session of its own, closes all
//! descriptors, and then watches.

use std::env;
use std::fs;
use std::os::fd::AsFd;

use rustix::fs::Mode;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{getpgrp, getppid, getsid, setsid, umask};

use super::apart;
use super::inherited::{files_of_a_new_program, signals_of_a_new_program};
use super::life::Life;
use super::plain;
use crate::hosts::host::Host;
use crate::kit::sys::{birth, limits};
use crate::kit::{alone, deadline};

pub(super) const HOST: Host = Host {
    name: "daemonises",
    is: "a daemon: it forks twice, begins a session, closes all descriptors, and then watches",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    // The daemon's parent, in the place of process 1.
    birth::become_subreaper();
    let launcher = std::process::id();
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    apart::in_a_copy(|| {
        setsid().expect("a copy leads no group");
        let daemon = apart::begin(|| {
            wait_until_adopted_by(launcher);
            detach();
            life.goes_on(|_| what_there_is());
        });
        let number = daemon.as_raw().to_ne_bytes();
        rustix::io::write(&write, &number).expect("the launcher reads");
    });
    let mut number = [0; size_of::<i32>()];
    rustix::io::read(&read, &mut number).expect("the copy has written");
    let daemon = i32::from_ne_bytes(number).try_into();
    apart::ends_well(daemon.expect("the daemon's number"));
}

/// Waits until the copy in between has ended. From then on, the daemon ends with the
/// launcher, because it is in no group of the runner's.
fn wait_until_adopted_by(launcher: u32) {
    let is_adopted = || {
        let parent = getppid().map(|parent| parent.as_raw_nonzero().get());
        parent.and_then(|parent| u32::try_from(parent).ok()) == Some(launcher)
    };
    deadline::until("the launcher adopts the daemon", is_adopted);
    alone::end_with_the_runner();
    assert!(is_adopted(), "the launcher has ended");
}

/// Leaves nothing of where the daemon was started. Errors go on to the launcher's log.
fn detach() {
    limits::close_all_from(3);
    let (nothing, nobody) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    rustix::stdio::dup2_stdin(nothing.as_fd()).expect("an open number");
    rustix::stdio::dup2_stdout(nobody.as_fd()).expect("an open number");
    env::set_current_dir("/").expect("a root directory");
    umask(Mode::empty());
}

/// What the daemon and a program that it starts find, and how its children end.
fn what_there_is() -> impl PartialEq + std::fmt::Debug {
    let session = getsid(None).expect("any process has a session");
    let place = (session, getpgrp(), env::current_dir().ok());
    let standard = [0, 1, 2].map(|number| fs::read_link(format!("/proc/self/fd/{number}")).ok());
    let codes: Vec<_> = (0..5).map(plain::exits_with).collect();
    let passed_on = (files_of_a_new_program(), signals_of_a_new_program());
    (place, standard, codes, passed_on)
}
