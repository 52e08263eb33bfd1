//! The exits of services, by one of the backends, with or without a thread.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use std::{io, sync::Arc};

use anyhow::{Context, Result};
use childwatch_core::source::PollableSource;
use childwatch_core::{Driver, Exit, PidWatcher, PidWatcherExt, WatchError};
use childwatch_pidfd::{AutoDriver, AutoWatcher, PidfdWatcher};
use childwatch_sigchld::SigchldWatcher;
use clap::ValueEnum;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Backend {
    Pidfd,
    Sigchld,
    Auto,
}

/// A watcher, and the exits that it has reported and that are not taken yet.
pub(crate) struct Exits {
    watcher: Box<dyn PidWatcher>,
    driver: Option<Box<dyn Drive>>,
    sender: Sender<(usize, Exit)>,
    receiver: Receiver<(usize, Exit)>,
    /// Readable if callbacks have run on a thread. The other end writes.
    news: UnixStream,
    newsmaker: Arc<UnixStream>,
}

/// A [`Driver`] of any source.
trait Drive: AsFd {
    fn drive_now(&mut self) -> Result<usize, WatchError>;
}

impl<S: PollableSource> Drive for Driver<S> {
    fn drive_now(&mut self) -> Result<usize, WatchError> {
        self.drive(Some(Duration::ZERO))
    }
}

impl Drive for AutoDriver {
    fn drive_now(&mut self) -> Result<usize, WatchError> {
        self.drive(Some(Duration::ZERO))
    }
}

type Halves = (Box<dyn PidWatcher>, Option<Box<dyn Drive>>);

impl Exits {
    pub(crate) fn new(backend: Backend, no_thread: bool) -> Result<Self> {
        let made = if no_thread {
            without_thread(backend)
        } else {
            with_thread(backend)
        };
        let (watcher, driver) = made.with_context(|| format!("no {backend:?} watcher here"))?;
        let (news, newsmaker) = UnixStream::pair()?;
        news.set_nonblocking(true)?;
        newsmaker.set_nonblocking(true)?;
        let (sender, receiver) = mpsc::channel();
        let newsmaker = Arc::new(newsmaker);
        Ok(Exits {
            watcher,
            driver,
            sender,
            receiver,
            news,
            newsmaker,
        })
    }

    pub(crate) fn watcher(&self) -> &dyn PidWatcher {
        &*self.watcher
    }

    /// Starts a service. Its exit comes out of [`take`](Self::take) under this index.
    pub(crate) fn spawn(&self, index: usize, command: &mut Command) -> io::Result<Child> {
        let sender = self.sender.clone();
        let newsmaker = Arc::clone(&self.newsmaker);
        let (child, _handle) = self.watcher.spawn_watched(command, move |exit| {
            let _ = sender.send((index, exit));
            // A full socket is readable already.
            let _ = (&*newsmaker).write(&[1]);
        })?;
        Ok(child)
    }

    /// Descriptors that are readable if there may be exits to take.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let driver = self.driver.iter().map(|driver| driver.as_fd());
        driver.chain([self.news.as_fd()])
    }

    /// Takes the exits that have been reported since, without waiting.
    pub(crate) fn take(&mut self) -> Result<Vec<(usize, Exit)>> {
        if let Some(driver) = &mut self.driver {
            driver.drive_now()?;
        }
        let mut bytes = [0; 64];
        while matches!((&self.news).read(&mut bytes), Ok(1..)) {}
        Ok(self.receiver.try_iter().collect())
    }
}

fn with_thread(backend: Backend) -> Result<Halves, WatchError> {
    let watcher: Box<dyn PidWatcher> = match backend {
        Backend::Pidfd => Box::new(PidfdWatcher::new()?.with_resource_usage()),
        Backend::Sigchld => Box::new(SigchldWatcher::new()?.with_resource_usage()),
        Backend::Auto => Box::new(AutoWatcher::new()?.with_resource_usage()),
    };
    Ok((watcher, None))
}

fn without_thread(backend: Backend) -> Result<Halves, WatchError> {
    Ok(match backend {
        Backend::Pidfd => {
            let (watcher, driver) = PidfdWatcher::driven()?;
            (
                Box::new(watcher.with_resource_usage()),
                Some(Box::new(driver)),
            )
        }
        Backend::Sigchld => {
            let (watcher, driver) = SigchldWatcher::driven()?;
            (
                Box::new(watcher.with_resource_usage()),
                Some(Box::new(driver)),
            )
        }
        Backend::Auto => {
            let (watcher, driver) = AutoWatcher::driven()?;
            (
                Box::new(watcher.with_resource_usage()),
                Some(Box::new(driver)),
            )
        }
    })
}
