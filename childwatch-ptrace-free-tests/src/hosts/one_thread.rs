//! A program that puts itself into a sandbox, which the kernel allows to processes with one
//! thread only.
//!
//! `unshare(CLONE_NEWUSER)` fails with `EINVAL` while another thread is there, and also for
//! some microseconds after it was joined: `pthread_join` returns before the kernel has taken
//! the thread out of the process. `unshare(CLONE_THREAD)` asks the same question and changes
//! nothing.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::deadline;
use crate::kit::sys::threads;

pub(super) const HOST: Host = Host {
    name: "one-thread",
    is: "a program that enters a sandbox, for which it must have one thread only",
    needs: &[],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::NoThread,
        notices: "the watcher is a second thread, so the kernel refuses a new user namespace",
    }],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|around| {
        // The threads of the suite's cases.
        deadline::until("the program has one thread, but for the watcher's", || {
            threads::threads().len() <= 1 + usize::from(around.watcher.is_some())
        });
        if around.moment == Moment::Dropped {
            (0..100).all(|_| {
                drop(life.stage().watcher());
                threads::has_one_thread()
            })
        } else {
            threads::has_one_thread()
        }
    });
}
