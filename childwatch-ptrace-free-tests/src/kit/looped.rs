//! [`Loop`]: a loop of the suite's that drives a watcher without a thread.

use std::io;
use std::sync::mpsc;
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use childwatch_core::source::delegate_pid_watcher;
use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::process::test_kill_process;

use crate::kit::deadline;
use crate::kit::driven::{Drive, Driven, await_readable};
use crate::kit::sys::signals::{Blocked, SYNCHRONOUS_SIGNALS as SYNCHRONOUS};
use crate::kit::sys::threads;

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
    pub fn start(Driven { watcher, driver }: Driven) -> Result<Box<dyn PidWatcher>, WatchError> {
        let builder = Builder::new().name("loop".to_owned());
        let (tell, told) = mpsc::channel();
        let thread = builder.spawn(move || {
            let _ = tell.send(threads::thread_id());
            run(driver);
        });
        let thread = thread.map_err(refused)?;
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

/// As many programs do, it lets no signal interrupt its polls. Callbacks run with the mask that
/// the thread has from its creator.
fn run(mut driver: Box<dyn Drive>) {
    loop {
        let quiet = Blocked::signals((1..=64).filter(|signal| !SYNCHRONOUS.contains(signal)));
        let polled = await_readable(&*driver, None);
        drop(quiet);
        match polled {
            Ok(true) => {}
            Ok(false) => continue,
            // A sandbox.
            Err(_) => thread::park_timeout(Duration::from_millis(1)),
        }
        match driver.drive(Some(Duration::ZERO)) {
            Ok(_) => {}
            Err(WatchError::Stopped | WatchError::Forked) => return,
            Err(_) => thread::park_timeout(Duration::from_millis(1)),
        }
    }
}

fn refused(source: io::Error) -> WatchError {
    let (operation, pid) = ("the loop's thread", None);
    match source.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOMEM) => WatchError::ResourceLimit {
            operation,
            pid,
            source,
        },
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
