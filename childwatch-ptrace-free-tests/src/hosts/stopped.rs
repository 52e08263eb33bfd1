//! A program that is stopped and continued: by a shell's job control, by a tool that limits
//! its processor time, or by a machine that is suspended.
//!
//! `epoll_wait` and some other calls then fail with `EINTR`, though no handler has run. A
//! child may exit while its parent stands still.

use std::os::fd::OwnedFd;

use childwatch_core::{Pid, PidWatcher};
use rustix::io::{read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};

use super::apart;
use super::life::Life;
use crate::backend::feature::Feature;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::death;

pub(super) const HOST: Host = Host {
    name: "stopped",
    is: "a program that is stopped and continued, and whose children exit meanwhile",
    needs: &[],
    exceptions: &[],
    live,
};

/// The program lives in a copy of this process. This process stops and continues it.
fn live(life: &Life<'_>) {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let ((orders, order), (answers, answer)) = (pipe(), pipe());
    let program = apart::begin(move || lives(life, &Stopper { order, answers }));
    serve(program, &orders, &answer);
    apart::ends_well(program);
}

/// Stops the program at each order, and continues it. Meanwhile the process dies that the
/// order names.
fn serve(program: Pid, orders: &OwnedFd, answer: &OwnedFd) {
    let mut order = [0; 4];
    while let Ok(4) = retry_on_intr(|| read(orders, &mut order)) {
        death::stop(program);
        if let Ok(dying) = Pid::try_from(i32::from_ne_bytes(order)) {
            death::kill(dying);
            deadline::until("the child of the stopped program dies", || {
                death::is_zombie(dying)
            });
        }
        death::continue_(program);
        write(answer, &[0]).expect("the program waits");
    }
}

/// The program's side.
#[derive(Debug)]
struct Stopper {
    order: OwnedFd,
    answers: OwnedFd,
}

impl Stopper {
    /// Returns when this process has been stopped and continued. Meanwhile this child dies.
    fn stop(&self, dying: Option<Pid>) {
        let order = dying.map_or(0, Pid::as_raw).to_ne_bytes();
        write(&self.order, &order).expect("the stopper waits");
        let answered = retry_on_intr(|| read(&self.answers, &mut [0]));
        assert_eq!(answered, Ok(1), "the stopper has gone");
    }
}

fn lives(life: &Life<'_>, stopper: &Stopper) {
    let backend = life.stage().backend();
    let can_watch = backend.offers(Feature::RealProcesses).is_ok();
    life.goes_on(|around| {
        (0..5).for_each(|_| stopper.stop(None));
        if let Some(watcher) = around.watcher.filter(|_| can_watch) {
            an_exit_meanwhile_is_told(watcher, stopper);
        }
        let mut child = RealNursery.spawn();
        child.die(End::Code(3));
        child.reap()
    });
}

fn an_exit_meanwhile_is_told(watcher: &dyn PidWatcher, stopper: &Stopper) {
    let (mut child, probe) = (RealNursery.spawn(), Probe::new());
    let watched = watcher.watch(child.pid(), probe.callback());
    watched.expect("the watcher takes a child");
    stopper.stop(Some(child.pid()));
    let told = probe.ran_once().status();
    assert_eq!(told, child.reap());
}
