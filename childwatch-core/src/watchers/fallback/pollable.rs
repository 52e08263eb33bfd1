//! [`PollableFallbackSource`]: two pollable sources in one descriptor.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;

use super::spilled::{Spilled, check_alike};
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::platform::readable::await_readable;
use crate::source::descriptors::{descriptor_refused, make_descriptor};
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;
use crate::source::report::Report;
use crate::source::token::Token;

/// The source of a [`FallbackWatcher`](crate::FallbackWatcher) without a thread: see
/// [`FallbackWatcher::driven`](crate::FallbackWatcher::driven).
///
/// Its descriptor is an epoll instance over the descriptors of the two sources. Nobody waits in
/// that instance. It is readable as long as one of the two is, and both are collected from.
pub struct PollableFallbackSource<P, S> {
    primary: P,
    secondary: S,
    spilled: Spilled,
    epoll: OwnedFd,
}

impl<P: PollableSource, S: PollableSource> PollableFallbackSource<P, S> {
    /// A source over two others, and its waiter. It is public for tests of the laws.
    #[doc(hidden)]
    #[expect(
        clippy::type_complexity,
        reason = "a source and its waiter, as elsewhere"
    )]
    pub fn new(
        (primary, primarys): (P, P::Waiter),
        (secondary, secondarys): (S, S::Waiter),
    ) -> Result<(Self, (P::Waiter, S::Waiter)), WatchError> {
        check_alike(&primary, &secondary)?;
        let epoll = make_descriptor("epoll_create1", || {
            epoll::create(epoll::CreateFlags::CLOEXEC)
        })?;
        for (number, descriptor) in [
            primary.descriptor(&primarys),
            secondary.descriptor(&secondarys),
        ]
        .into_iter()
        .enumerate()
        {
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, descriptor, data, epoll::EventFlags::IN)
                .map_err(|errno| descriptor_refused("epoll_ctl for a source", errno.into()))?;
        }
        let source = PollableFallbackSource {
            primary,
            secondary,
            spilled: Spilled::default(),
            epoll,
        };
        Ok((source, (primarys, secondarys)))
    }
}

impl<P, S> PollableFallbackSource<P, S> {
    /// Returns how many processes the secondary watches now.
    pub fn watched_by_secondary(&self) -> usize {
        self.spilled.len()
    }
}

impl<P: PollableSource, S: PollableSource> ExitSource for PollableFallbackSource<P, S> {
    type Waiter = (P::Waiter, S::Waiter);

    const THREAD_NAME: &'static str = P::THREAD_NAME;

    fn start(&self, (primarys, secondarys): &mut Self::Waiter) {
        self.primary.start(primarys);
        self.secondary.start(secondarys);
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.spilled.arm(&self.primary, &self.secondary, pid, token)
    }

    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.primary.pid_of(pidfd)
    }

    fn arm_pidfd(&self, pid: Pid, pidfd: BorrowedFd<'_>, token: Token) -> Result<(), WatchError> {
        self.primary.arm_pidfd(pid, pidfd, token)
    }

    fn pidfd(&self, pid: Pid, token: Token) -> Result<OwnedFd, WatchError> {
        self.spilled
            .pidfd(&self.primary, &self.secondary, pid, token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        self.spilled
            .send_signal(&self.primary, &self.secondary, pid, token, signal)
    }

    fn disarm(&self, token: Token) {
        self.spilled.disarm(&self.primary, &self.secondary, token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.spilled
            .is_reaped(&self.primary, &self.secondary, token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.spilled.look(&self.primary, &self.secondary, token)
    }

    fn ask_for_resource_usage(&self) {
        self.primary.ask_for_resource_usage();
        self.secondary.ask_for_resource_usage();
    }

    fn awaits_reaping(&self) -> bool {
        self.primary.awaits_reaping()
    }

    fn add_stats(&self, stats: &mut WatcherStats) {
        self.spilled
            .add_stats(&self.primary, &self.secondary, stats);
    }

    fn wait(&self, waiter: &mut Self::Waiter, reports: &mut Vec<Report>) -> io::Result<()> {
        await_readable(self.epoll.as_fd(), None)?;
        self.collect(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.primary.wake()
    }
}

impl<P: PollableSource, S: PollableSource> PollableSource for PollableFallbackSource<P, S> {
    fn descriptor<'a>(&'a self, _waiter: &'a Self::Waiter) -> BorrowedFd<'a> {
        self.epoll.as_fd()
    }

    fn collect(
        &self,
        (primarys, secondarys): &mut Self::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let primary = self.primary.collect(primarys, reports);
        // The reports of the secondary are taken even if the primary has failed.
        let secondary = self.secondary.collect(secondarys, reports);
        primary.and(secondary)
    }
}

impl<P: fmt::Debug, S: fmt::Debug> fmt::Debug for PollableFallbackSource<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollableFallbackSource")
            .field("primary", &self.primary)
            .field("secondary", &self.secondary)
            .field("watched_by_secondary", &self.watched_by_secondary())
            .finish()
    }
}
