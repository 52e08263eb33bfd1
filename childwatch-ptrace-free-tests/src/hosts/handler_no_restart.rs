//! A program whose handler of `SIGCHLD` interrupts its reads.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::sys::own_handler::{self, Step};
use crate::kit::sys::{forwarding, receive, signals, threads};

pub(super) const HOST: Host = Host {
    name: "handler-no-restart",
    is: "a program whose handler of SIGCHLD interrupts its reads, blocks SIGUSR1 and has \
         its own stack",
    needs: &[],
    exceptions: &[],
    live,
};

/// How many children interrupt a read.
const CHILDREN: u8 = 6;

/// A read that the signal interrupts returns at once.
const A_MOMENT: Duration = Duration::from_secs(1);

fn live(life: &Life<'_>) {
    forwarding::forward_in_a_loop();
    own_handler::install_interrupting_handler();
    let (pipe, writer) = rustix::pipe::pipe().expect("a pipe");
    life.goes_on(|_| {
        let codes = 0..CHILDREN;
        let read = codes.map(|code| read_until_interrupted(&pipe, &writer, code));
        read.collect::<Vec<_>>()
    });
}

/// Reads an empty pipe while a child exits with `code`. Returns the read's error, and what
/// the handler has done.
fn read_until_interrupted(pipe: &OwnedFd, writer: &OwnedFd, code: u8) -> (Option<i32>, Vec<Seen>) {
    let reader = threads::thread_id();
    // The kernel sends the signal to the thread that has started the child. A second child
    // is there in case that the signal of the first comes before the read.
    let children = [(); 2].map(|()| RealNursery.spawn());
    own_handler::forget_steps();
    let (begins, has_returned) = (AtomicBool::new(false), AtomicBool::new(false));
    let read = thread::scope(|scope| {
        scope.spawn(|| {
            signals::block_sigchld();
            for child in &children {
                deadline::until("the reader waits", || {
                    begins.load(Ordering::SeqCst) && threads::is_asleep(reader)
                });
                child.die(End::Code(code));
                if deadline::holds_within(A_MOMENT, || has_returned.load(Ordering::SeqCst)) {
                    return;
                }
            }
            rustix::io::write(writer, &[0]).expect("the pipe is open");
        });
        begins.store(true, Ordering::SeqCst);
        let read = receive::read_once(pipe);
        has_returned.store(true, Ordering::SeqCst);
        read
    });
    let error = read.err().and_then(|error| error.raw_os_error());
    let pids = children.iter().map(|child| child.pid().as_raw());
    let pids: Vec<_> = pids.collect();
    let mut steps = own_handler::steps();
    // Those of one run: it has ended, and the signal that it blocked has come.
    steps.drain(..steps.len().saturating_sub(4));
    let seen = steps.into_iter().map(|step| Seen::of(step, &pids));
    (error, seen.collect())
}

/// A step of the handler, without a number that is new each time.
#[derive(Debug, PartialEq)]
enum Seen {
    Child { code: i32, status: i32 },
    Stranger,
    Other(Step),
}

impl Seen {
    fn of(step: Step, children: &[i32]) -> Self {
        match step {
            Step::Begun { pid, code, status } if children.contains(&pid) => {
                Seen::Child { code, status }
            }
            Step::Begun { .. } => Seen::Stranger,
            other => Seen::Other(other),
        }
    }
}
