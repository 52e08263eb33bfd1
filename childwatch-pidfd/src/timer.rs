//! [`Timer`]: makes an epoll instance readable when a time is over, for a watcher without a
//! thread.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use childwatch_core::source::keep_clear;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::event_key::WAKE;

/// It has no descriptor until it is set first.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    descriptor: Option<OwnedFd>,
    is_set: bool,
}

impl Timer {
    /// Sets the timer to `left` from now on, or ends it. Its event is a [`WAKE`].
    pub(crate) fn set(&mut self, registry: &Registry, left: Option<Duration>) -> io::Result<()> {
        if left.is_none() && !self.is_set {
            return Ok(());
        }
        let descriptor = match &self.descriptor {
            Some(descriptor) => descriptor,
            None => self.descriptor.insert(registered(registry)?),
        };
        // To the kernel, zero ends the timer.
        let left = left.map(|left| left.max(Duration::from_nanos(1)));
        let value = Itimerspec {
            it_interval: timespec(Duration::ZERO)?,
            it_value: timespec(left.unwrap_or_default())?,
        };
        timerfd_settime(descriptor, TimerfdTimerFlags::empty(), &value)?;
        self.is_set = left.is_some();
        Ok(())
    }

    /// A timer of which the kernel refuses each setting, because it is another file.
    #[cfg(test)]
    pub(crate) fn that_is_refused() -> Self {
        let file = std::fs::File::open("/dev/null").expect("there is such a file");
        Timer {
            descriptor: Some(file.into()),
            is_set: false,
        }
    }

    #[cfg(test)]
    pub(crate) fn is_set(&self) -> bool {
        self.is_set
    }
}

fn registered(registry: &Registry) -> io::Result<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let descriptor = keep_clear(|| timerfd_create(TimerfdClockId::Monotonic, flags))?;
    let raw = descriptor.as_raw_fd();
    registry.register(&mut SourceFd(&raw), WAKE, Interest::READABLE)?;
    Ok(descriptor)
}

fn timespec(time: Duration) -> io::Result<Timespec> {
    Timespec::try_from(time).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};
    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    /// A deadline may pass between the last look at the clock and the call.
    #[test]
    fn a_time_that_is_over_is_told_at_once() {
        const LONG: Duration = Duration::from_secs(20);
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let mut timer = Timer::default();
        timer.set(poll.registry(), Some(LONG)).unwrap();
        timer.set(poll.registry(), Some(Duration::ZERO)).unwrap();
        poll.poll(&mut events, Some(LONG)).unwrap();
        assert_eq!(events.iter().count(), 1);
    }

    /// C16: the program may execute another one while a child is being released.
    #[test]
    fn its_descriptor_is_closed_on_exec() {
        let poll = Poll::new().unwrap();
        let mut timer = Timer::default();
        let second = Some(Duration::from_secs(1));
        timer.set(poll.registry(), second).unwrap();
        let flags = fcntl_getfd(timer.descriptor.unwrap()).unwrap();
        assert!(flags.contains(FdFlags::CLOEXEC));
    }
}
