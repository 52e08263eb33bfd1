//! [`Loop`]: a loop of the suite's that drives a watcher without a thread.
//!
//! It polls as most programs do. With [`Loop::start_on_edges`], it is the strictest of programs: it
//! drives once for each new edge of the descriptor.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use childwatch_core::source::delegate_pid_watcher;
use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::test_kill_process;

use crate::kit::deadline;
use crate::kit::driven::{Drive, Driven, await_readable};
use crate::kit::sys::signals::{Blocked, SYNCHRONOUS_SIGNALS as SYNCHRONOUS};
use crate::kit::sys::threads;

/// The pause after a drive or a wait that has failed. With a pause of 1 ms, an emulated processor
/// was busy for a tenth of the time, and a case took that for a loop without a pause.
const AFTER_A_FAILURE: Duration = Duration::from_millis(10);

/// A watcher without a thread, and a thread of the program's that drives it when its descriptor
/// is readable, and never otherwise. So an exit for which the descriptor is not readable is
/// never told.
#[derive(Debug)]
pub struct Loop {
    /// Both are `None` once `drop` has begun.
    watcher: Option<Box<dyn PidWatcher>>,
    thread: Option<JoinHandle<()>>,
    number: i32,
}

impl Loop {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`ResourceLimit`](WatchError::ResourceLimit) and
    /// [`Unsupported`](WatchError::Unsupported) where a watcher's own thread would be refused so.
    pub fn start(driven: Driven) -> Result<Box<dyn PidWatcher>, WatchError> {
        Self::start_running(driven, on_levels)
    }

    /// The same, with an edge-triggered poller: it drives once for each edge. So an exit that the
    /// descriptor tells without a new edge is never told.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and [`ResourceLimit`](WatchError::ResourceLimit) without a file
    /// for the poller.
    pub fn start_on_edges(driven: Driven) -> Result<Box<dyn PidWatcher>, WatchError> {
        let poller = edges_of(&*driven.driver)
            .map_err(|errno| refused("the loop's poller", errno.into()))?;
        Self::start_running(driven, |driver| on_edges(driver, poller))
    }

    fn start_running(
        Driven { watcher, driver }: Driven,
        run: impl FnOnce(Box<dyn Drive>) + Send + 'static,
    ) -> Result<Box<dyn PidWatcher>, WatchError> {
        let builder = Builder::new().name("loop".to_owned());
        let (tell, told) = mpsc::channel();
        let thread = builder.spawn(move || {
            let _ = tell.send(threads::thread_id());
            run(driver);
        });
        let thread = thread.map_err(|error| refused("the loop's thread", error))?;
        Ok(Box::new(Loop {
            watcher: Some(watcher),
            thread: Some(thread),
            // It sends the number first of all.
            number: told.recv().unwrap_or_default(),
        }))
    }

    fn watcher(&self) -> &dyn PidWatcher {
        self.watcher.as_deref().expect("nobody calls after the end")
    }
}

/// As many programs do, a loop lets no signal interrupt its polls. Callbacks run with the mask
/// that the thread has from its creator.
fn undisturbed<T>(poll: impl FnOnce() -> T) -> T {
    let _quiet = Blocked::signals((1..=64).filter(|signal| !SYNCHRONOUS.contains(signal)));
    poll()
}

fn on_levels(mut driver: Box<dyn Drive>) {
    loop {
        let polled = undisturbed(|| await_readable(&*driver, None));
        match polled {
            Ok(true) => {}
            Ok(false) => continue,
            // A sandbox.
            Err(_) => thread::park_timeout(AFTER_A_FAILURE),
        }
        match driver.drive(Some(Duration::ZERO)) {
            Ok(_) => {}
            Err(WatchError::Stopped | WatchError::Forked) => return,
            Err(_) => thread::park_timeout(AFTER_A_FAILURE),
        }
    }
}

/// A poller that has an event for each edge of the driver's descriptor.
fn edges_of(driver: &dyn Drive) -> Result<OwnedFd, Errno> {
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&poller, driver.descriptor(), no_data(), flags)?;
    Ok(poller)
}

/// The poller is closed before the driver is dropped.
fn on_edges(mut driver: Box<dyn Drive>, poller: OwnedFd) {
    let event = epoll::Event {
        flags: epoll::EventFlags::empty(),
        data: no_data(),
    };
    let mut edge = [event];
    loop {
        match undisturbed(|| epoll::wait(&poller, &mut edge, None)) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            // A sandbox.
            Err(_) => thread::park_timeout(AFTER_A_FAILURE),
        }
        loop {
            match driver.drive(Some(Duration::ZERO)) {
                Ok(_) => break,
                Err(WatchError::Stopped | WatchError::Forked) => {
                    drop(poller);
                    return;
                }
                // No edge tells when the refusal is over.
                Err(_) => thread::park_timeout(AFTER_A_FAILURE),
            }
        }
    }
}

fn no_data() -> epoll::EventData {
    epoll::EventData::new_u64(0)
}

fn refused(operation: &'static str, source: io::Error) -> WatchError {
    let pid = None;
    match source.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => {
            WatchError::ResourceLimit {
                operation,
                pid,
                source,
            }
        }
        _ => WatchError::Unsupported {
            operation,
            pid,
            source,
        },
    }
}

delegate_pid_watcher!(impl for Loop, |this| *this.watcher());

impl Drop for Loop {
    fn drop(&mut self) {
        let (Some(watcher), Some(thread)) = (self.watcher.take(), self.thread.take()) else {
            return;
        };
        // A forked copy has no such thread.
        let own = Pid::try_from(std::process::id()).expect("a process has a pid");
        let is_copy = matches!(watcher.try_wait(own), Err(WatchError::Forked));
        // The descriptor is readable then, and the thread ends.
        drop(watcher);
        // std may not know the calling thread any more: this may be its last destructor.
        if !is_copy && self.number != threads::thread_id() {
            let _ = thread.join();
            // The kernel counts a thread that was joined for a moment more.
            let number = rustix::process::Pid::from_raw(self.number);
            deadline::holds_within(deadline::patience(), || {
                number.is_none_or(|number| test_kill_process(number).is_err())
            });
        }
    }
}
