//! [`Floor`]: the least that a program can do to run a callback at an exit.
//!
//! One thread waits in `epoll_wait` for raw pidfds. The token of an event is the address of
//! the closure's box. There is no lock, no table, no cancellation, no generation, and no check
//! whether the child is waitable. A program that needs any of these pays for it in addition.
//! The first of the floors does not ask for the status. The second one asks with one
//! `waitid` for each exit, and reports what our own backends report. The third one is the second
//! in a loop of the program that has a single descriptor for all exits: the pidfds are in an epoll
//! instance, and that is in the epoll instance of the loop. This is what a driver could cost at
//! least.

#![expect(
    unsafe_code,
    reason = "the address of a closure's box as the token, in epoll itself"
)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::Context;
use childwatch_core::Pid;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::process::{PidfdFlags, pidfd_open};

use super::candidate::{Candidate, Watching};
use super::names::{FLOOR, FLOOR_NESTED, FLOOR_WITH_STATUS};
use super::status;
use crate::measuring::limits::{self, Fds};
use crate::measuring::tally::Told;

/// The same number as in our own backends. 1,024 events are not faster.
const EVENTS_A_WAIT: usize = 128;
/// The same number as in the loop of our own drivers.
pub(super) const EVENTS_OF_A_LOOP: usize = 8;

/// The floors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    WithoutStatus,
    WithStatus,
    Nested,
}

/// Whether a wait was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    GoesOn,
    Ends,
}

struct Watcher {
    epoll: Arc<OwnedFd>,
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

/// The target of an event's token. For a child that never exits it is not freed, because the
/// slice's process ends before.
struct Armed {
    pidfd: OwnedFd,
    told: Told,
}

impl Candidate for Floor {
    fn name(&self) -> &'static str {
        match self {
            Floor::WithoutStatus => FLOOR,
            Floor::WithStatus => FLOOR_WITH_STATUS,
            Floor::Nested => FLOOR_NESTED,
        }
    }

    fn watch_up_to(&self, children: usize) -> anyhow::Result<Box<dyn Watching>> {
        limits::check(Fds::OneAChild, children)?;
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let token = epoll::EventData::new_ptr(ptr::null_mut());
        epoll::add(&epoll, &stop, token, epoll::EventFlags::IN)?;
        let thread = thread::Builder::new().name("floor".to_owned()).spawn({
            let (floor, epoll) = (*self, Arc::clone(&epoll));
            move || match floor {
                Floor::WithoutStatus | Floor::WithStatus => {
                    let mut events = Vec::with_capacity(EVENTS_A_WAIT);
                    while floor.tell_of_exits(&epoll, &mut events, None) == Watch::GoesOn {}
                }
                // If the loop ends with an error, exits are missing, which the tally reports.
                Floor::Nested => drop(floor.tell_in_a_loop(&epoll)),
            }
        })?;
        Ok(Box::new(Watcher {
            epoll,
            stop,
            thread: Some(thread),
        }))
    }
}

impl Watching for Watcher {
    fn watch(&mut self, child: Pid, told: Told) -> anyhow::Result<()> {
        let number = rustix::process::Pid::from_raw(child.as_raw()).context("a pid of zero")?;
        let pidfd = pidfd_open(number, PidfdFlags::empty())?;
        let raw = pidfd.as_raw_fd();
        let armed = Box::into_raw(Box::new(Armed { pidfd, told }));
        // SAFETY: the watcher's thread closes the pidfd after its event. The event cannot come
        // before this call has added the pidfd.
        let pidfd = unsafe { BorrowedFd::borrow_raw(raw) };
        // One-shot: a child between fork and exec has a copy of the pidfd. The copy would
        // keep the pidfd in epoll after its close, and bring a second event.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        let token = epoll::EventData::new_ptr(armed.cast());
        Ok(epoll::add(&self.epoll, pidfd, token, flags)?)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let stopped = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let (Some(thread), Ok(_)) = (self.thread.take(), stopped) {
            // The thread runs no code that panics.
            let _ = thread.join();
        }
    }
}

impl Floor {
    /// Waits once, at most for `timeout`, and reports the exits that have come.
    fn tell_of_exits(
        self,
        epoll: &OwnedFd,
        events: &mut Vec<epoll::Event>,
        timeout: Option<&Timespec>,
    ) -> Watch {
        events.clear();
        match epoll::wait(epoll, spare_capacity(events), timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Watch::Ends,
        }
        for event in events {
            let armed = event.data.ptr().cast::<Armed>();
            if armed.is_null() {
                return Watch::Ends;
            }
            // SAFETY: `watch` made the pointer from a box, and this is its only event.
            let Armed { pidfd, told } = *unsafe { Box::from_raw(armed) };
            match self {
                Floor::WithoutStatus => told.tell(None),
                Floor::WithStatus | Floor::Nested => told.tell(status::ask(pidfd.as_fd())),
            }
            drop(pidfd);
        }
        Watch::GoesOn
    }

    /// The loop of a program. The epoll instance of the pidfds is one of its descriptors.
    fn tell_in_a_loop(self, epoll: &OwnedFd) -> rustix::io::Result<()> {
        let at_once = Timespec::default();
        let mut exits = Vec::with_capacity(EVENTS_A_WAIT);
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&poller, epoll, data, epoll::EventFlags::IN)?;
        let mut events = Vec::with_capacity(EVENTS_OF_A_LOOP);
        loop {
            events.clear();
            match epoll::wait(&poller, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            for _event in &events {
                if self.tell_of_exits(epoll, &mut exits, Some(&at_once)) == Watch::Ends {
                    return Ok(());
                }
            }
        }
    }
}
