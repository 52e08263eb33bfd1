//! A program that forbids itself new files: its limit of open files (`RLIMIT_NOFILE`) is 0.
//!
//! The limit is about numbers, and about more calls than those that open files. `poll` fails
//! with `EINVAL` where it names more descriptors than the limit, and `dup2` with `EBADF` where
//! the new number is not below it.

use childwatch_core::PidWatcher;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::life::Life;
use crate::backend::stage::Stage;
use crate::hosts::host::Host;
use crate::kit::child::End;
use crate::kit::probe::{Gate, Probe};
use crate::kit::sys::limits;

pub(super) const HOST: Host = Host {
    name: "no-more-files",
    is: "a sandboxed program whose limit of open files is 0",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|around| {
        if let Some(watcher) = around.watcher {
            exits_are_found(life.stage(), &**watcher);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let _none = limits::NoFiles::begin();
        let refused = rustix::io::dup(&read).err();
        assert_eq!(refused, Some(Errno::MFILE));
        let written = rustix::io::write(&write, b"on");
        (written, rustix::io::read(&read, &mut [0; 4]))
    });
}

/// While the watcher's thread is in a callback, a child exits. `try_wait` returns its exit,
/// and the callback for it runs later.
#[track_caller]
fn exits_are_found(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    let (mut first, mut second) = (stage.child(), stage.child());
    let (slow, probe, gate) = (Probe::new(), Probe::new(), Gate::new());
    let waits = slow.callback_then({
        let gate = gate.clone();
        move |_| gate.pass()
    });
    let watched = watcher.watch(first.pid(), waits);
    watched.expect("the watcher takes a child");
    let watched = watcher.watch(second.pid(), probe.callback());
    watched.expect("the watcher takes a child");
    let _none = limits::NoFiles::begin();
    first.die(End::Code(5));
    gate.wait_until_reached();
    second.die(End::Code(6));
    let found = watcher.try_wait(second.pid());
    gate.open();
    let found = found.expect("the child is registered");
    let found = found.expect("the child is a zombie").status();
    assert_eq!(found, probe.ran_once().status());
    assert_eq!(slow.ran_once().status(), first.reap());
    assert_eq!(found, second.reap());
}
