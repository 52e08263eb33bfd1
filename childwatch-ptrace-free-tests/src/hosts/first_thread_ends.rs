//! A program whose first thread ends, by `pthread_exit`, while others live on.
//!
//! The process is then a zombie to look at: `/proc/self` has no files, no mounts and no
//! program any more, although its other threads have them all. Its children have another
//! thread as their parent.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::thread;

use super::apart;
use super::inherited::signals_of_a_new_program;
use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::sys::threads;
use crate::kit::{deadline, own_proc};

pub(super) const HOST: Host = Host {
    name: "first-thread-ends",
    is: "a program whose first thread has ended, while others live on",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    // `/proc/self/exe` leads nowhere later.
    own_proc::this_program();
    apart::in_a_copy(|| {
        after_this_thread(|| {
            life.goes_on(|_| {
                let mut child = RealNursery.spawn();
                child.die(End::Code(3));
                (child.reap(), signals_of_a_new_program())
            });
        });
    });
}

/// Runs `body` on another thread when this one, the first, has ended. The process ends with
/// it.
fn after_this_thread(body: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(|| {
            deadline::until("the first thread has ended", || {
                let stat = fs::read_to_string("/proc/self/stat");
                stat.is_ok_and(|stat| stat.contains(") Z "))
            });
            let ended = panic::catch_unwind(AssertUnwindSafe(body));
            process::exit(i32::from(ended.is_err()))
        });
        threads::exit_thread_only()
    })
}
