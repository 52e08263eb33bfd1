//! A program that writes a large buffer to a pipe in one call, and takes the call for a whole
//! one.
//!
//! A blocking `write` is only short if a handler interrupts it, with `SA_RESTART` too. This
//! program has no handler.

use std::thread;

use rustix::io::{ioctl_fionread, read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::sys::{signals, threads};

pub(super) const HOST: Host = Host {
    name: "writes-at-once",
    is: "a program that writes a large buffer to a pipe in one call, while its child exits",
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[Exception {
        at: &[Moment::Watching, Moment::GivenBack, Moment::Dropped],
        unless: Feature::NoSignalHandler,
        notices: "SIGCHLD interrupts a long write, which returns a part of the size: the rest is \
                  lost",
    }],
    live,
};

/// Far more than a pipe has room for.
const BYTES: usize = 1 << 20;

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        signals::unblock_sigchld();
        write_while_a_child_exits()
    });
}

/// Returns how many bytes the one call has written.
fn write_while_a_child_exits() -> usize {
    let (output, input) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let room = fcntl_getpipe_size(&input).expect("a pipe's size") as u64;
    // The kernel signals the thread that has forked the child.
    let mut child = RealNursery.spawn();
    let writer = threads::thread_id();
    let reader = thread::spawn(move || {
        deadline::until("the writer waits for room in the pipe", || {
            ioctl_fionread(&output).expect("a pipe") >= room && threads::is_asleep(writer)
        });
        child.die(End::Code(0));
        let mut bytes = vec![0; BYTES];
        while retry_on_intr(|| read(&output, &mut bytes[..])).expect("a pipe") > 0 {}
        child.reap();
    });
    let written = write(&input, &vec![0; BYTES]).expect("there is a reader");
    drop(input);
    reader.join().expect("the reader reads to the end");
    written
}
