//! [`Exited`]: an exit as a future.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::contract::callback::{ExitCallback, WatchHandle};
use crate::contract::canceller::Canceller;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::platform::sync::{Mutex, MutexGuard};

/// Resolves when the process has exited; see
/// [`PidWatcherExt::exited`](crate::PidWatcherExt::exited).
///
/// The future works on any executor and borrows nothing, so it may be spawned. If the watcher is
/// dropped before the exit, the future resolves to `None`. In a forked copy of the process it
/// resolves to `None` too.
///
/// - **Polling it again** after it has resolved is allowed, and returns the same answer.
/// - **If several tasks poll it**, the task that has polled last is woken.
/// - **Dropping it** unregisters its callback, so nothing of it is left with the watcher: no
///   registration, no file descriptor, no waker. The exit itself is not consumed. Another future or
///   callback for the same process still gets it. The drop waits for no callback and no waker of
///   the program.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Exited {
    progress: Arc<Mutex<Progress>>,
    canceller: Option<Canceller>,
    handle: WatchHandle,
}

#[derive(Debug)]
enum Progress {
    Waiting(Option<Waker>),
    Over(Option<Exit>),
}

impl Exited {
    pub(crate) fn new<W: PidWatcher + ?Sized>(watcher: &W, pid: Pid) -> Result<Self, WatchError> {
        let progress = Arc::new(Mutex::new(Progress::Waiting(None)));
        let completer = Completer(Arc::clone(&progress));
        let callback: ExitCallback = Box::new(move |exit| completer.complete(Some(exit)));
        Ok(Exited {
            progress,
            canceller: watcher.canceller(),
            handle: watcher.watch(pid, callback)?,
        })
    }
}

impl Exited {
    /// Returns `true` in a forked copy of the process. There the watcher's thread may have
    /// held the lock at the fork, and never gives it back.
    fn is_in_copy(&self) -> bool {
        self.canceller.as_ref().is_some_and(Canceller::is_in_copy)
    }
}

impl Future for Exited {
    type Output = Option<Exit>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Exit>> {
        if self.is_in_copy() {
            return Poll::Ready(None);
        }
        // `Waker::clone` and its `Drop` run code of the executor. So the new waker is cloned
        // before the lock is taken, and the previous one is dropped after it is released.
        let waker = context.waker().clone();
        let _previous = match &mut *lock(&self.progress) {
            Progress::Over(outcome) => return Poll::Ready(*outcome),
            Progress::Waiting(place) => place.replace(waker),
        };
        Poll::Pending
    }
}

impl Drop for Exited {
    fn drop(&mut self) {
        if self.is_in_copy() {
            return;
        }
        // The outcome is set before the callback is dropped. Otherwise that would wake the task.
        let previous = mem::replace(&mut *lock(&self.progress), Progress::Over(None));
        let Progress::Waiting(waker) = previous else {
            return;
        };
        if let Some(canceller) = &self.canceller {
            canceller.unregister_callback(self.handle);
        }
        // Last and outside the lock, because the waker's `Drop` runs code of the executor and may
        // panic.
        drop(waker);
    }
}

/// Sets the outcome. The callback owns it. If it is dropped without a call of `complete`, the
/// outcome is `None`.
struct Completer(Arc<Mutex<Progress>>);

impl Completer {
    fn complete(&self, outcome: Option<Exit>) {
        let waker = match &mut *lock(&self.0) {
            Progress::Over(_) => return,
            waiting @ Progress::Waiting(_) => mem::replace(waiting, Progress::Over(outcome)),
        };
        // Outside the lock, because waking may run the task, which polls.
        if let Progress::Waiting(Some(waker)) = waker {
            waker.wake();
        }
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        self.complete(None);
    }
}

/// Takes the lock of the outcome and the waker. Nothing is called while it is held.
fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::TryRecvError;
    use std::task::Wake;

    use super::*;
    use crate::wait::ext::PidWatcherExt;
    use crate::watchers::simulated::{SimulatedProcesses, SimulatedWatcher};

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn polled(exited: &mut Exited, task: &Arc<Counted>) -> Poll<Option<Exit>> {
        let waker = Waker::from(Arc::clone(task));
        Pin::new(exited).poll(&mut Context::from_waker(&waker))
    }

    struct InCopy;

    impl crate::contract::canceller::Cancels for InCopy {
        fn unregister_callback(
            &self,
            _handle: WatchHandle,
        ) -> crate::contract::callback::Unregistered {
            unreachable!("it may wait for a lock")
        }

        fn is_in_copy(&self) -> bool {
            true
        }
    }

    /// As in a copy that was forked while the watcher's thread held the lock.
    #[test]
    fn a_future_in_a_copy_takes_no_lock() {
        let progress = Arc::new(Mutex::new(Progress::Waiting(None)));
        let held = lock(&progress);
        let mut exited = Exited {
            progress: Arc::clone(&progress),
            canceller: Some(Canceller::new(Arc::new(InCopy))),
            handle: WatchHandle::new_unique(Pid::try_from(7).unwrap()),
        };
        assert_eq!(
            polled(&mut exited, &Arc::new(Counted::default())),
            Poll::Ready(None)
        );
        drop(exited);
        drop(held);
    }

    #[test]
    fn a_future_that_is_dropped_wakes_nobody_and_lets_the_waker_go() {
        let processes = SimulatedProcesses::new();
        let watcher = SimulatedWatcher::new(&processes).unwrap();
        let task = Arc::new(Counted::default());
        for _ in 0..10 {
            let mut exited = watcher.exited(processes.spawn()).unwrap();
            assert_eq!(polled(&mut exited, &task), Poll::Pending);
            drop(exited);
        }
        assert_eq!(task.0.load(Ordering::SeqCst), 0);
        assert_eq!(Arc::strong_count(&task), 1);
        assert_eq!(processes.registration_count(), 0);
    }

    #[test]
    fn of_two_tasks_that_have_polled_the_last_one_is_woken() {
        let processes = SimulatedProcesses::new();
        let watcher = SimulatedWatcher::new(&processes).unwrap();
        let pid = processes.spawn();
        let mut exited = watcher.exited(pid).unwrap();
        let tasks: [Arc<Counted>; 2] = Default::default();
        for task in &tasks {
            assert_eq!(polled(&mut exited, task), Poll::Pending);
        }
        assert_eq!(Arc::strong_count(&tasks[0]), 1, "its waker is dropped");
        processes.exit(pid, ExitStatus::from_raw(0));
        drop(watcher);
        let woken = tasks.map(|task| task.0.load(Ordering::SeqCst));
        assert_eq!(woken, [0, 1]);
    }

    /// The executor's code, which may poll or drop the future: whether it ran without the
    /// lock.
    struct Executor {
        progress: Arc<Mutex<Progress>>,
        sender: std::sync::mpsc::Sender<(&'static str, bool)>,
    }

    impl Executor {
        fn note(&self, what: &'static str) {
            let is_free = self.progress.try_lock().is_ok();
            // The test may have failed already.
            let _ = self.sender.send((what, is_free));
        }
    }

    impl Wake for Executor {
        fn wake(self: Arc<Self>) {
            self.note("woken");
        }
    }

    impl Drop for Executor {
        fn drop(&mut self) {
            self.note("dropped");
        }
    }

    #[test]
    fn the_executors_code_runs_without_the_lock() {
        let processes = SimulatedProcesses::new();
        let watcher = SimulatedWatcher::new(&processes).unwrap();
        let [ending, live] = [(); 2].map(|()| processes.spawn());
        let [mut exited, mut never] = [ending, live].map(|pid| watcher.exited(pid).unwrap());
        let (sender, noted) = std::sync::mpsc::channel();
        let polled = |exited: &mut Exited| {
            let executor = Executor {
                progress: Arc::clone(&exited.progress),
                sender: sender.clone(),
            };
            let waker = Waker::from(Arc::new(executor));
            Pin::new(exited).poll(&mut Context::from_waker(&waker))
        };
        assert_eq!(polled(&mut exited), Poll::Pending);
        assert_eq!(noted.try_recv(), Err(TryRecvError::Empty));
        // The next poll replaces the waker of the last one.
        assert_eq!(polled(&mut exited), Poll::Pending);
        assert_eq!(noted.recv(), Ok(("dropped", true)));
        processes.exit(ending, ExitStatus::from_raw(0));
        assert_eq!(noted.recv(), Ok(("woken", true)));
        assert_eq!(noted.recv(), Ok(("dropped", true)));
        assert_eq!(polled(&mut never), Poll::Pending);
        drop(never);
        assert_eq!(noted.recv(), Ok(("dropped", true)));
    }

    #[test]
    fn an_exit_and_the_end_of_the_watcher_wake_the_task() {
        let processes = SimulatedProcesses::new();
        let watcher = SimulatedWatcher::new(&processes).unwrap();
        let (ending, live) = (processes.spawn(), processes.spawn());
        let task = Arc::new(Counted::default());
        let mut exited = watcher.exited(ending).unwrap();
        let mut never = watcher.exited(live).unwrap();
        assert_eq!(polled(&mut exited, &task), Poll::Pending);
        assert_eq!(polled(&mut never, &task), Poll::Pending);
        processes.exit(ending, ExitStatus::from_raw(0));
        drop(watcher);
        assert_eq!(task.0.load(Ordering::SeqCst), 2);
        assert_eq!(polled(&mut never, &task), Poll::Ready(None));
    }
}
