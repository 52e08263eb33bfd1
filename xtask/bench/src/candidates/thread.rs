//! [`ThreadAChild`]: a thread for each child, blocked in `waitid`.

use std::thread;

use anyhow::Context;
use childwatch_core::Pid;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{WaitId, waitid};

use super::candidate::{Candidate, Watching};
use super::names::THREAD;
use super::status;
use crate::measuring::refused::Refused;
use crate::measuring::tally::Told;

/// With more threads the row would measure the scheduler, and then reach the limit on threads.
pub(crate) const MOST_THREADS: usize = 1_000;

pub(crate) struct ThreadAChild;

impl Candidate for ThreadAChild {
    fn name(&self) -> &'static str {
        THREAD
    }

    fn watch_up_to(&self, children: usize) -> anyhow::Result<Box<dyn Watching>> {
        if children > MOST_THREADS {
            let reason = format!("a thread a child, and {MOST_THREADS} are enough");
            return Err(Refused(reason).into());
        }
        Ok(Box::new(Threads))
    }
}

/// The threads end with their children. They cannot end before.
struct Threads;

impl Watching for Threads {
    fn watch(&mut self, child: Pid, told: Told) -> anyhow::Result<()> {
        let number = rustix::process::Pid::from_raw(child.as_raw()).context("a pid of zero")?;
        thread::Builder::new()
            .name("waitid".to_owned())
            .spawn(move || {
                let exit = retry_on_intr(|| waitid(WaitId::Pid(number), status::options()));
                match exit {
                    Ok(Some(exit)) => told.tell(status::of(&exit)),
                    // Another thread has reaped the child.
                    Err(Errno::CHILD) => told.tell(None),
                    Ok(None) | Err(_) => {}
                }
            })?;
        Ok(())
    }
}
