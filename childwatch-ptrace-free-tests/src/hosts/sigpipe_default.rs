//! A program that `SIGPIPE` ends, as it ends the tools of a pipeline: `yes | head`.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::sys::{birth, death, signals};

pub(super) const HOST: Host = Host {
    name: "sigpipe-default",
    is: "a tool of a pipeline: SIGPIPE has its default action, and ends it",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    signals::default_broken_pipe_action();
    life.goes_on(|_| {
        let mut killed = RealNursery.spawn();
        killed.die(End::Signal(libc::SIGPIPE as u8));
        let (copy, written) = birth::copy_that_writes_to_a_broken_pipe().expect("a copy");
        let ends = [killed.reap(), death::reap(copy)].map(signal);
        (ends, written)
    });
}

fn signal(status: Option<ExitStatus>) -> Option<i32> {
    status.and_then(|status| status.signal())
}
