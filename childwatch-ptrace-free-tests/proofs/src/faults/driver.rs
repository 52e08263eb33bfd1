//! [`Driver`]: the thread that makes the watcher, calls it and drops it.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use childwatch_core::{PidWatcher, WatchError};

use super::board::Board;
use super::notices::Listener;
use super::supervisor::Supervisor;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::deadline::{patience, until};
use childwatch_ptrace_free_tests::kit::sys::threads;
use childwatch_ptrace_free_tests::machine::refusal::{self, Refusal};

type Watcher = Option<Box<dyn PidWatcher>>;
type Job = Box<dyn FnOnce(&mut Watcher) + Send>;

/// A thread of its own under a [`Supervisor`]. So only the calls of the watcher and of the
/// threads that it starts are refused.
#[derive(Debug)]
pub(super) struct Driver {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    supervisor: Supervisor,
}

impl Driver {
    /// # Errors
    ///
    /// Why no thread's calls can be supervised here.
    pub(super) fn start(board: &Arc<Board>, besides: Vec<Refusal>) -> Result<Self, String> {
        let (jobs, receive) = mpsc::channel();
        // Both are set without a system call, which would wait for the supervisor, which
        // waits for them: so they are no channel, and no lock.
        let listener = Arc::new(OnceLock::new());
        let obstacle = Arc::new(OnceLock::new());
        let supervisor = Supervisor::start(Arc::clone(&listener), Arc::clone(board))
            .map_err(|error| error.to_string())?;
        let thread = thread::Builder::new()
            .spawn({
                let board = Arc::clone(board);
                let (listener, obstacle) = (Arc::clone(&listener), Arc::clone(&obstacle));
                move || {
                    board.set_caller(threads::thread_id().unsigned_abs());
                    let made = refusal::refuse_on_this_thread(&besides)
                        .and_then(|()| Listener::to_this_thread().map_err(explain));
                    match made {
                        Ok(made) => drop(listener.set(made)),
                        Err(reason) => drop(obstacle.set(reason)),
                    }
                    work(&receive);
                }
            })
            .map_err(|error| error.to_string())?;
        let driver = Driver {
            jobs,
            thread,
            supervisor,
        };
        until("the driver's listener", || {
            listener.get().is_some() || obstacle.get().is_some()
        });
        match obstacle.get() {
            None => Ok(driver),
            Some(reason) => {
                driver.finish();
                Err(reason.clone())
            }
        }
    }

    /// Makes the watcher.
    pub(super) fn make(&self, backend: &'static dyn BackendUnderTest) -> Result<(), WatchError> {
        self.call("making the watcher", move |place| {
            *place = Some(backend.watcher()?);
            Ok(())
        })
    }

    /// Calls the watcher, which has been made.
    #[track_caller]
    pub(super) fn watcher<T: Send + 'static>(
        &self,
        what: &str,
        call: impl FnOnce(&dyn PidWatcher) -> T + Send + 'static,
    ) -> T {
        self.call(what, move |place| {
            call(place.as_deref().expect("the watcher has been made"))
        })
    }

    pub(super) fn drop_watcher(&self) {
        self.call("dropping the watcher", |place| drop(place.take()));
    }

    /// Ends the thread, and the supervisor after it. The watcher has been dropped.
    pub(super) fn finish(self) {
        drop(self.jobs);
        let ended = self.thread.join();
        self.supervisor.stop();
        assert!(ended.is_ok(), "a call of the watcher's panicked");
    }

    #[track_caller]
    fn call<T: Send + 'static>(
        &self,
        what: &str,
        call: impl FnOnce(&mut Watcher) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = mpsc::channel();
        let job = Box::new(move |watcher: &mut Watcher| {
            let _ = answer.send(call(watcher));
        });
        self.jobs.send(job).expect("the driver lives");
        answered
            .recv_timeout(patience())
            .unwrap_or_else(|error| panic!("{what} hangs, or has panicked: {error}"))
    }
}

fn work(jobs: &Receiver<Job>) {
    let mut watcher = None;
    for job in jobs {
        job(&mut watcher);
    }
}

pub(super) fn explain(error: std::io::Error) -> String {
    format!(
        "no thread's calls can be answered for the kernel here, which takes seccomp with \
         notifications (Linux 5.19): {error}"
    )
}
