//! [`Runtime`]: where tasks await exits.

#![expect(unsafe_code, reason = "tokio's `AsyncFd` with an interest")]

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use async_io::Async;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime on which tasks await exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// tokio with one thread.
    Tokio,
    /// tokio with two worker threads.
    TokioThreads,
    /// async-io's reactor and async-executor, on one thread.
    AsyncIo,
}

const WORKERS: usize = 2;

/// A running runtime. Dropping it ends the runtime, and drops the tasks.
pub(super) struct Executor {
    tasks: Tasks,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

enum Tasks {
    Tokio(Handle),
    AsyncIo(Arc<async_executor::Executor<'static>>),
}

/// A descriptor in the reactor of a runtime.
pub(super) enum Polled {
    Tokio(AsyncFd<OwnedFd>),
    AsyncIo(Async<OwnedFd>),
}

impl Executor {
    pub(super) fn start(runtime: Runtime) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("runtime".to_owned());
        // An error of `stopped` means that the sender was dropped, which also stops the runtime.
        let (tasks, thread) = match runtime {
            Runtime::Tokio | Runtime::TokioThreads => {
                let mut builder = match runtime {
                    Runtime::Tokio => Builder::new_current_thread(),
                    _ => Builder::new_multi_thread(),
                };
                let runtime = builder.worker_threads(WORKERS).enable_io().build()?;
                let tasks = Tasks::Tokio(runtime.handle().clone());
                let thread = thread.spawn(move || {
                    let _ = runtime.block_on(stopped);
                })?;
                (tasks, thread)
            }
            Runtime::AsyncIo => {
                let executor = Arc::new(async_executor::Executor::new());
                let tasks = Tasks::AsyncIo(Arc::clone(&executor));
                let thread = thread.spawn(move || {
                    let _ = async_io::block_on(executor.run(stopped));
                })?;
                (tasks, thread)
            }
        };
        Ok(Executor {
            tasks,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.tasks {
            Tasks::Tokio(handle) => drop(handle.spawn(task)),
            Tasks::AsyncIo(executor) => executor.spawn(task).detach(),
        }
    }

    /// Runs a part that needs to know tokio's runtime.
    pub(super) fn enter<T>(&self, part: impl FnOnce() -> T) -> T {
        let _entered = match &self.tasks {
            Tasks::Tokio(handle) => Some(handle.enter()),
            Tasks::AsyncIo(_) => None,
        };
        part()
    }

    pub(super) fn poll(&self, fd: OwnedFd) -> anyhow::Result<Polled> {
        self.enter(|| match &self.tasks {
            Tasks::Tokio(_) => {
                // SAFETY: an owned fd stays open and the same for as long as it exists, and
                // this code does not replace the fd inside the `AsyncFd`.
                let polled = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
                Ok(Polled::Tokio(polled?))
            }
            Tasks::AsyncIo(_) => Ok(Polled::AsyncIo(Async::new_nonblocking(fd)?)),
        })
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread runs no code of ours that panics.
            let _ = thread.join();
        }
    }
}

impl Polled {
    /// Waits until the descriptor is readable. With tokio's reactor, a later call waits for a
    /// new edge.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        match self {
            Polled::Tokio(fd) => {
                fd.readable().await?.clear_ready();
                Ok(())
            }
            Polled::AsyncIo(fd) => fd.readable().await,
        }
    }
}

impl AsFd for Polled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Polled::Tokio(fd) => fd.get_ref().as_fd(),
            Polled::AsyncIo(fd) => fd.get_ref().as_fd(),
        }
    }
}
