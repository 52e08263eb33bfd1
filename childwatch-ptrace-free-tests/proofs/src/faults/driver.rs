//! [`Driver`]: the thread that makes the watcher, calls it and drops it. A watcher without a
//! thread is driven on another one, which this one starts.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use childwatch_core::{PidWatcher, WatchError};

use super::board::Board;
use super::notices::Listener;
use super::supervisor::Supervisor;
use childwatch_ptrace_free_tests::kit::deadline::{patience, until};
use childwatch_ptrace_free_tests::kit::driven::Driven;
use childwatch_ptrace_free_tests::kit::sys::{signals, threads};
use childwatch_ptrace_free_tests::machine::refusal::{self, Refusal};
use childwatch_ptrace_free_tests::{BackendUnderTest, Feature};

type Job = Box<dyn FnOnce(&mut Place) + Send>;

#[derive(Default)]
struct Place {
    watcher: Option<Box<dyn PidWatcher>>,
    /// The thread that drives it, if it has none of its own.
    driving: Option<JoinHandle<()>>,
}

/// Between two drives, after a refusal.
const PAUSE: Duration = Duration::from_millis(1);

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

    /// Makes the watcher, on a thread that blocks `SIGCHLD` or lets it through.
    pub(super) fn make(
        &self,
        backend: &'static dyn BackendUnderTest,
        lets_sigchld_through: bool,
    ) -> Result<(), WatchError> {
        self.call("making the watcher", move |place| {
            if lets_sigchld_through {
                signals::unblock_sigchld();
            }
            let made = match backend.offers(Feature::Driver) {
                Ok(()) => backend.driven().map(drive),
                Err(_it_has_a_thread) => backend.watcher().map(|watcher| Place {
                    watcher: Some(watcher),
                    driving: None,
                }),
            };
            if lets_sigchld_through {
                signals::block_sigchld();
            }
            *place = made?;
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
            let watcher = place.watcher.as_deref();
            call(watcher.expect("the watcher has been made"))
        })
    }

    /// `ends`: the thread that drives is told, and ends.
    pub(super) fn drop_watcher(&self, ends: bool) {
        self.call("dropping the watcher", move |place| {
            drop(place.watcher.take());
            if let Some(driving) = place.driving.take().filter(|_| ends) {
                // A panic is noted by the hook.
                let _ = driving.join();
            }
        });
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
        call: impl FnOnce(&mut Place) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = mpsc::channel();
        let job = Box::new(move |place: &mut Place| {
            let _ = answer.send(call(place));
        });
        self.jobs.send(job).expect("the driver lives");
        answered
            .recv_timeout(patience())
            .unwrap_or_else(|error| panic!("{what} hangs, or has panicked: {error}"))
    }
}

fn work(jobs: &Receiver<Job>) {
    let mut place = Place::default();
    for job in jobs {
        job(&mut place);
    }
}

/// The loop of a program without a poller. After a refusal it tries again, as a program does.
fn drive(Driven { watcher, driver }: Driven) -> Place {
    let mut driver = driver;
    let driving = thread::spawn(move || {
        signals::unblock_sigchld();
        loop {
            match driver.drive(None) {
                Ok(_) => {}
                Err(WatchError::Stopped | WatchError::Forked) => return,
                Err(_) => thread::park_timeout(PAUSE),
            }
        }
    });
    Place {
        watcher: Some(watcher),
        driving: Some(driving),
    }
}

pub(super) fn explain(error: std::io::Error) -> String {
    format!(
        "no thread's calls can be answered for the kernel here, which takes seccomp with \
         notifications (Linux 5.19): {error}"
    )
}
