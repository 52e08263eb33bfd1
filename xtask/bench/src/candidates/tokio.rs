//! [`TokioAsyncFd`]: a task for each child, awaiting its pidfd in tokio's reactor.

#![expect(unsafe_code, reason = "tokio's `AsyncFd` with an interest")]

use std::thread::{self, JoinHandle};

use anyhow::Context;
use childwatch_core::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::candidate::{Candidate, Watching};
use super::names::TOKIO;
use crate::measuring::limits::{self, Fds};
use crate::measuring::tally::Told;

pub(crate) struct TokioAsyncFd;

/// A runtime with one thread, like the other candidates.
struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Candidate for TokioAsyncFd {
    fn name(&self) -> &'static str {
        TOKIO
    }

    fn watch_up_to(&self, children: usize) -> anyhow::Result<Box<dyn Watching>> {
        limits::check(Fds::OneAChild, children)?;
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("tokio".to_owned())
            .spawn(move || {
                // An error means that the sender was dropped, which also stops the runtime.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Box::new(Runtime {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        }))
    }
}

impl Watching for Runtime {
    fn watch(&mut self, child: Pid, told: Told) -> anyhow::Result<()> {
        let number = rustix::process::Pid::from_raw(child.as_raw()).context("a pid of zero")?;
        let pidfd = pidfd_open(number, PidfdFlags::empty())?;
        let _entered = self.handle.enter();
        // SAFETY: an owned fd stays open and the same for as long as it exists, and this
        // code does not replace the fd inside the `AsyncFd`.
        let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
        self.handle.spawn(async move {
            if pidfd.readable().await.is_ok() {
                told.tell(None);
            }
        });
        Ok(())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread runs no code of ours that panics.
            let _ = thread.join();
        }
    }
}
