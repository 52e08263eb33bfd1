//! [`ByDrivenWatcher`]: our own watchers without a thread, in a loop of the program.
//!
//! Where tasks await exits, one more task of the same runtime drives. Everywhere else the program
//! has a thread with a loop over epoll.

use std::os::fd::{AsFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::bail;
use childwatch_core::source::PollableSource;
use childwatch_core::{DrivenWatcher, Driver, Pid, PidWatcher, PidWatcherExt, WatchError};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;

use super::candidate::{Awaiting, Candidate, Watching};
use super::floor::EVENTS_OF_A_LOOP;
use super::gated::Gated;
use super::runtime::{Executor, Runtime};
use crate::measuring::limits::{self, Fds};
use crate::measuring::tally::Told;

type Halves<S> = (DrivenWatcher<S>, Driver<S>);

pub(crate) struct ByDrivenWatcher<S: PollableSource> {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Result<Halves<S>, WatchError>,
    pub(crate) fds: Fds,
}

impl<S> Candidate for ByDrivenWatcher<S>
where
    S: PollableSource + Send + Sync + 'static,
    S::Waiter: Send + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn watch_up_to(&self, children: usize) -> anyhow::Result<Box<dyn Watching>> {
        limits::check(self.fds, children)?;
        let (watcher, driver) = (self.make)()?;
        let (stop, stopped) = {
            let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
            (stop.try_clone()?, stop)
        };
        let thread = thread::Builder::new()
            .name("loop".to_owned())
            .spawn(move || drive_in_a_loop(driver, &stopped))?;
        Ok(Box::new(InALoop {
            watcher,
            stop,
            thread: Some(thread),
        }))
    }

    fn await_on(&self, runtime: Runtime) -> anyhow::Result<Box<dyn Awaiting>> {
        let (watcher, driver) = (self.make)()?;
        let executor = Executor::start(runtime)?;
        let mut descriptor = executor.poll(driver.as_fd().try_clone_to_owned()?)?;
        let mut driver = driver;
        executor.spawn(async move {
            // `drive` returns an error when the watcher has ended.
            while descriptor.readable().await.is_ok() && driver.drive(Some(Duration::ZERO)).is_ok()
            {
            }
        });
        let watcher = Box::new(watcher);
        Ok(Box::new(Futures { watcher, executor }))
    }
}

/// A watcher whose exits tasks await as futures.
pub(super) struct Futures {
    pub(super) watcher: Box<dyn PidWatcher>,
    pub(super) executor: Executor,
}

impl Awaiting for Futures {
    fn start(&mut self, child: Gated, told: Told) -> anyhow::Result<Pid> {
        let child = child.spawn()?;
        let exited = self.watcher.exited(child)?;
        self.executor.spawn(async move {
            if let Some(exit) = exited.await {
                told.tell(exit.status());
            }
        });
        Ok(child)
    }
}

struct InALoop<S: PollableSource> {
    watcher: DrivenWatcher<S>,
    stop: OwnedFd,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl<S: PollableSource> Watching for InALoop<S> {
    fn watch(&mut self, child: Pid, told: Told) -> anyhow::Result<()> {
        self.watcher
            .on_exit(child, |exit| told.tell(exit.status()))?;
        Ok(())
    }
}

impl<S: PollableSource> Drop for InALoop<S> {
    fn drop(&mut self) {
        let stopped = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let (Some(thread), Ok(_)) = (self.thread.take(), stopped) {
            // If the loop has ended with an error, exits are missing, which the tally reports.
            let _ = thread.join();
        }
    }
}

/// The loop of a program that has other events too.
fn drive_in_a_loop<S: PollableSource>(
    mut driver: Driver<S>,
    stopped: &OwnedFd,
) -> anyhow::Result<()> {
    const EXITS: u64 = 1;
    const STOPPED: u64 = 2;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let readable = epoll::EventFlags::IN;
    epoll::add(&poller, &driver, epoll::EventData::new_u64(EXITS), readable)?;
    epoll::add(
        &poller,
        stopped,
        epoll::EventData::new_u64(STOPPED),
        readable,
    )?;
    let mut events = Vec::with_capacity(EVENTS_OF_A_LOOP);
    loop {
        match epoll::wait(&poller, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => bail!(errno),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                EXITS => drop(driver.drive(Some(Duration::ZERO))?),
                _ => return Ok(()),
            }
        }
    }
}
