//! A program that waits for its children by tokio, and to which pidfds are refused on the
//! threads that tokio has. It listens to `SIGCHLD` then.

use rustix::io::Errno;

use super::life::Life;
use super::tokio_beside;
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::machine::refusal::{Refusal, with_refused};

pub(super) const HOST: Host = Host {
    name: "tokio-by-signals",
    is: "a program that waits for its children by tokio, which listens to SIGCHLD",
    needs: &[Need::Machine(Facility::Seccomp)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    let refusals = [Refusal::pidfd_open(Errno::NOSYS)];
    tokio_beside::beside(life, |job| with_refused(&refusals, job));
}
