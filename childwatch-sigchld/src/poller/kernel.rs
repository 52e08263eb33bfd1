//! The kernel's: an epoll instance over an eventfd and a timerfd.
//!
//! The eventfd is always readable, and nothing is ever written. `EPOLL_CTL_MOD` makes an event of
//! it each time. The kernel looks the file up by its number and by the file itself. If the
//! program has closed the descriptors, and their numbers belong to other files by now, the call
//! fails and those files are left alone. Both registrations are edge-triggered, so an event is
//! gone when it has been taken, and the timer need not be read.

#![expect(unsafe_code, reason = "descriptors by their numbers, in a handler")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use childwatch_core::WatchError;
use childwatch_core::source::{await_readable, descriptor_refused, make_descriptor};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::ends::Ends;

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    wake_fd: OwnedFd,
    timer: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> Result<Self, WatchError> {
        let epoll = make_descriptor("epoll_create1", || {
            epoll::create(epoll::CreateFlags::CLOEXEC)
        })?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake_fd = make_descriptor("eventfd2", || eventfd(1, flags))?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = make_descriptor("timerfd_create", || {
            timerfd_create(TimerfdClockId::Monotonic, flags)
        })?;
        // An eventfd never has PRI, so it is silent until it is rung.
        let silent = epoll::EventFlags::PRI | epoll::EventFlags::ET;
        let readable = epoll::EventFlags::IN | epoll::EventFlags::ET;
        for (descriptor, flags) in [(&wake_fd, silent), (&timer, readable)] {
            epoll::add(&epoll, descriptor, no_data(), flags)
                .map_err(|errno| descriptor_refused("epoll_ctl", errno.into()))?;
        }
        Ok(Poller {
            epoll,
            wake_fd,
            timer,
        })
    }

    pub(crate) fn ends(&self) -> Ends {
        Ends {
            epoll: self.epoll.as_raw_fd(),
            wake_fd: self.wake_fd.as_raw_fd(),
        }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Blocks until the descriptor is readable.
    pub(crate) fn wait(&self) -> io::Result<()> {
        await_readable(self.epoll.as_fd(), None).map(drop)
    }

    /// Takes the events, so that the descriptor is readable again only after something new. What
    /// they are does not matter, because everything is looked at after them.
    pub(crate) fn take_events(&self) -> io::Result<()> {
        let event = epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: no_data(),
        };
        // There are two at most.
        epoll::wait(&self.epoll, &mut [event; 2], Some(&NOW))?;
        Ok(())
    }

    /// Makes the descriptor readable when this time is over, once. `None`, and a time that the
    /// kernel cannot count to, end the timer.
    pub(crate) fn set_timer(&self, left: Option<Duration>) -> io::Result<()> {
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let value = Itimerspec {
            it_interval: NOW,
            it_value: left.unwrap_or(NOW),
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
        Ok(())
    }
}

/// Makes the descriptor readable. Async-signal-safe, and leaves `errno` as it was.
pub(crate) fn notify(Ends { epoll, wake_fd }: Ends) -> Result<(), Errno> {
    // SAFETY: the poller closes neither before its wire is disconnected, which waits until no
    // thread is here.
    let (epoll, wake_fd) = unsafe {
        (
            BorrowedFd::borrow_raw(epoll),
            BorrowedFd::borrow_raw(wake_fd),
        )
    };
    // rustix calls the kernel without libc, unless another crate of the program has it use
    // libc.
    let before = errno::errno();
    let readable = epoll::EventFlags::IN | epoll::EventFlags::ET;
    let notified = epoll::modify(epoll, wake_fd, no_data(), readable);
    errno::set_errno(before);
    notified
}

fn no_data() -> epoll::EventData {
    epoll::EventData::new_u64(0)
}
