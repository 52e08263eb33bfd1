//! [`ExitSet`]: the exits of several processes, as they come.

use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::contract::callback::ExitCallback;
use crate::contract::canceller::Canceller;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::wait::arrivals::{Arrivals, Found, Place};
use crate::wait::members::{Answer, Key};

/// Waits for several processes at once, and returns each exit as it comes.
///
/// The set uses the watcher that it is given: a reference, as
/// [`PidWatcherExt::exit_set`](crate::PidWatcherExt::exit_set) does, or an `Arc` for a set that
/// outlives a function. It has no thread and no file descriptor of its own.
///
/// | to wait | call |
/// |---|---|
/// | for the next exit | [`wait`](Self::wait), or iterate over `&set` |
/// | so long at most | [`wait_timeout`](Self::wait_timeout) |
/// | not at all | [`try_wait`](Self::try_wait) |
/// | in a task | [`next`](Self::next); [`poll_next`](Self::poll_next); as a `Stream`, with the feature `stream` |
///
/// # What a set promises
///
/// - **Each member gives one answer**, and is a member no more: its exit, or
///   [`Stopped`](WatchError::Stopped) if the watcher has ended before. Exits come in the order in
///   which the watcher reports them. An exit that came before [`insert`](Self::insert) is
///   returned too.
/// - **A member is a process, not a pid** (C13). If a process is inserted twice, it is two members,
///   and its exit is returned twice.
/// - When [`remove`](Self::remove) has returned, the exit of that process is not returned any more.
/// - **Dropping the set** unregisters what it has registered, and keeps nothing of it. The processes
///   live on. The drop waits for no callback and no waker of the program.
/// - Every method takes `&self`, and may be called from any thread and from a callback. If several
///   threads or tasks wait, each answer goes to one of them. If the set becomes empty, all of them
///   return.
/// - In a forked copy of the program, the set answers once with [`Forked`](WatchError::Forked),
///   and is empty after that (C15).
///
/// # Deadlocks
///
/// Do not wait for the set inside a callback of its watcher, nor on the thread that drives the
/// watcher. The exit that would end the wait is reported on that thread.
///
/// # Examples
///
/// ```
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::ExitStatus;
/// use childwatch_core::{PidWatcherExt, SimulatedProcesses, SimulatedWatcher};
///
/// let processes = SimulatedProcesses::new();
/// let watcher = SimulatedWatcher::new(&processes)?;
/// let set = watcher.exit_set();
/// for code in [4, 3] {
///     let pid = processes.spawn();
///     processes.exit(pid, ExitStatus::from_raw(code << 8));
///     set.insert(pid)?;
///     let exit = set.wait()?.expect("the set has one member");
///     assert_eq!((exit.pid(), exit.status().unwrap().code()), (pid, Some(code)));
/// }
/// assert_eq!(set.wait()?, None); // no member is left
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ExitSet<W: PidWatcher> {
    shared: Shared,
    watcher: W,
}

/// What a set has in common with its iterators and futures.
#[derive(Debug)]
struct Shared {
    arrivals: Arc<Arrivals>,
    canceller: Option<Canceller>,
    /// In a forked copy: whether the set has answered `Forked`.
    has_told_copy: AtomicBool,
}

impl<W: PidWatcher> ExitSet<W> {
    /// Creates an empty set. The set lets the watcher go when it is dropped.
    #[must_use]
    pub fn new(watcher: W) -> Self {
        let shared = Shared {
            arrivals: Arc::new(Arrivals::new()),
            canceller: watcher.canceller(),
            has_told_copy: AtomicBool::new(false),
        };
        ExitSet { shared, watcher }
    }

    /// Adds a process. It may have exited already.
    ///
    /// If the call fails, the set is as before.
    ///
    /// # Errors
    ///
    /// As [`watch`](PidWatcher::watch).
    pub fn insert(&self, pid: Pid) -> Result<(), WatchError> {
        if self.shared.is_in_copy() {
            return Err(WatchError::Forked);
        }
        let arrivals = &self.shared.arrivals;
        let key = arrivals.enter(pid);
        let reporter = Reporter {
            arrivals: Arc::clone(arrivals),
            key,
        };
        let callback: ExitCallback = Box::new(move |exit| reporter.report(Some(exit)));
        match self.watcher.watch(pid, callback) {
            Ok(handle) => {
                if let Some(removed_meanwhile) = arrivals.entered(key, handle) {
                    self.watcher.unregister_callback(removed_meanwhile);
                }
                Ok(())
            }
            Err(refused) => {
                arrivals.refused(key);
                Err(refused)
            }
        }
    }

    /// Removes a process. Returns `true` if it was a member.
    ///
    /// After the call, the set does not return the exit of this process, also if the exit has
    /// been reported already. If several members have the pid, all of them are removed. The call
    /// waits for no other callback, and for no waker.
    pub fn remove(&self, pid: Pid) -> bool {
        if self.shared.is_in_copy() {
            return false;
        }
        let mut handles = Vec::new();
        let removed = self.shared.arrivals.remove(pid, &mut handles);
        for handle in handles {
            self.watcher.unregister_callback(handle);
        }
        removed > 0
    }

    /// Returns the pids of all members, in ascending order. A member whose exit has been reported
    /// belongs to the set until its exit is returned.
    #[must_use]
    pub fn pids(&self) -> Vec<Pid> {
        if self.shared.is_in_copy() {
            return Vec::new();
        }
        self.shared.arrivals.pids()
    }

    /// Returns the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.shared.is_in_copy() {
            return 0;
        }
        self.shared.arrivals.len()
    }

    /// Returns `true` if the set has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next exit. Returns `None` if the set is empty, or becomes empty.
    ///
    /// # Errors
    ///
    /// [`Stopped`](WatchError::Stopped), once for each member whose exit the watcher did not report
    /// before it ended; [`Forked`](WatchError::Forked).
    pub fn wait(&self) -> Result<Option<Exit>, WatchError> {
        self.shared.found(Arrivals::wait)
    }

    /// Waits for the next exit. Returns `None` if `timeout` has passed without one, or the set is
    /// [empty](Self::is_empty).
    ///
    /// The call looks at no process. A process that has exited is found when the watcher has
    /// reported it.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<Exit>, WatchError> {
        self.shared.found(|arrivals| arrivals.wait_timeout(timeout))
    }

    /// Returns the next exit if the watcher has reported one, without waiting.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn try_wait(&self) -> Result<Option<Exit>, WatchError> {
        self.shared.found(Arrivals::try_take)
    }

    /// Returns an iterator that waits for each exit. It ends when the set is empty, so it returns
    /// the exits of processes that are inserted meanwhile too.
    pub fn iter(&self) -> Exits<'_> {
        Exits {
            shared: &self.shared,
        }
    }

    /// Returns the next exit as a future, for any executor. It resolves to `None` if the set is
    /// empty, or becomes empty.
    ///
    /// Dropping the future loses no exit.
    ///
    /// # Examples
    ///
    /// ```
    /// use childwatch_core::{Exit, ExitSet, PidWatcher, WatchError};
    ///
    /// async fn last<W: PidWatcher>(set: &ExitSet<W>) -> Result<Option<Exit>, WatchError> {
    ///     let mut last = None;
    ///     while let Some(exit) = set.next().await? {
    ///         last = Some(exit);
    ///     }
    ///     Ok(last)
    /// }
    /// ```
    pub fn next(&self) -> NextExit<'_> {
        NextExit {
            shared: &self.shared,
            place: None,
        }
    }

    /// Returns the next exit, or `None` if the set is empty. If there is no exit yet, the task is
    /// woken when there may be one.
    ///
    /// If several tasks poll, the last one is woken. Each [`next`](Self::next) is woken, however.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Result<Exit, WatchError>>> {
        let polled = self.shared.poll(Place::OF_THE_SET, context);
        polled.map(Result::transpose)
    }
}

impl<W: PidWatcher> Drop for ExitSet<W> {
    fn drop(&mut self) {
        if self.shared.is_in_copy() {
            return;
        }
        let (handles, wakers) = self.shared.arrivals.clear();
        for handle in handles {
            self.watcher.unregister_callback(handle);
        }
        // Last, because a waker's `Drop` runs code of the executor and may panic.
        drop(wakers);
    }
}

// The set's own state is whole after a panic, because no code of others runs while it changes.
// A watcher is whole after a panic by its contract (C11).
impl<W: PidWatcher> UnwindSafe for ExitSet<W> {}
impl<W: PidWatcher> RefUnwindSafe for ExitSet<W> {}

impl<'a, W: PidWatcher> IntoIterator for &'a ExitSet<W> {
    type Item = Result<Exit, WatchError>;
    type IntoIter = Exits<'a>;

    fn into_iter(self) -> Exits<'a> {
        self.iter()
    }
}

#[cfg(feature = "stream")]
impl<W: PidWatcher> futures_core::Stream for ExitSet<W> {
    type Item = Result<Exit, WatchError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ExitSet::poll_next(self.into_ref().get_ref(), context)
    }
}

/// The exits of an [`ExitSet`], each of which it waits for; see [`ExitSet::iter`].
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are used"]
pub struct Exits<'a> {
    shared: &'a Shared,
}

impl Iterator for Exits<'_> {
    type Item = Result<Exit, WatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.shared.found(Arrivals::wait).transpose()
    }
}

/// Resolves to the next exit of an [`ExitSet`]; see [`ExitSet::next`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct NextExit<'a> {
    shared: &'a Shared,
    /// The place of the task's waker, from the first poll on.
    place: Option<Place>,
}

impl Future for NextExit<'_> {
    type Output = Result<Option<Exit>, WatchError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared;
        if shared.is_in_copy() {
            return Poll::Ready(shared.found(Arrivals::try_take));
        }
        let place = *self
            .place
            .get_or_insert_with(|| shared.arrivals.new_place());
        shared.poll(place, context)
    }
}

impl Drop for NextExit<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else {
            return;
        };
        if !self.shared.is_in_copy() {
            self.shared.arrivals.leave(place);
        }
    }
}

impl Shared {
    /// Returns `true` in a forked copy of the process. There another thread may have held the
    /// lock at the fork, and never gives it back.
    fn is_in_copy(&self) -> bool {
        self.canceller.as_ref().is_some_and(Canceller::is_in_copy)
    }

    /// Takes the next answer, as `take` does.
    fn found(&self, take: impl FnOnce(&Arrivals) -> Found) -> Result<Option<Exit>, WatchError> {
        if !self.is_in_copy() {
            return match take(&self.arrivals) {
                Found::Answer(Some(exit)) => Ok(Some(exit)),
                Found::Answer(None) => Err(WatchError::Stopped),
                Found::Nothing | Found::Empty => Ok(None),
            };
        }
        if self.has_told_copy.swap(true, Ordering::SeqCst) {
            return Ok(None);
        }
        Err(WatchError::Forked)
    }

    fn poll(
        &self,
        place: Place,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Exit>, WatchError>> {
        let mut is_pending = false;
        let found = self.found(|arrivals| {
            let found = arrivals.poll(place, context.waker());
            is_pending = found == Found::Nothing;
            found
        });
        if is_pending {
            return Poll::Pending;
        }
        Poll::Ready(found)
    }
}

/// Gives the set the answer of one member. The callback owns it. If it is dropped without a call
/// of `report`, the answer is `None`.
struct Reporter {
    arrivals: Arc<Arrivals>,
    key: Key,
}

impl Reporter {
    fn report(&self, answer: Answer) {
        self.arrivals.report(self.key, answer);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.report(None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::{Wake, Waker};

    use super::*;
    use crate::contract::callback::{Unregistered, WatchHandle};
    use crate::contract::canceller::Cancels;

    fn pid() -> Pid {
        Pid::try_from(7).unwrap()
    }

    /// Keeps no callback.
    #[derive(Debug)]
    struct InCopy;

    impl Cancels for InCopy {
        fn unregister_callback(&self, _handle: WatchHandle) -> Unregistered {
            unreachable!("it may wait for a lock")
        }

        fn is_in_copy(&self) -> bool {
            true
        }
    }

    impl PidWatcher for InCopy {
        fn register_pid(&self, _pid: Pid) -> Result<(), WatchError> {
            Err(WatchError::Forked)
        }

        fn unregister_pid(&self, _pid: Pid) {}

        fn register_callback(
            &self,
            _pid: Pid,
            _callback: ExitCallback,
        ) -> Result<WatchHandle, WatchError> {
            Err(WatchError::Forked)
        }

        fn unregister_callback(&self, _handle: WatchHandle) -> Unregistered {
            Unregistered::NotPending
        }

        fn watch(&self, _pid: Pid, _callback: ExitCallback) -> Result<WatchHandle, WatchError> {
            Err(WatchError::Forked)
        }

        fn try_wait(&self, _pid: Pid) -> Result<Option<Exit>, WatchError> {
            Err(WatchError::Forked)
        }

        fn canceller(&self) -> Option<Canceller> {
            Some(Canceller::new(Arc::new(InCopy)))
        }
    }

    /// As in a copy that was forked while another thread held the lock.
    #[test]
    fn a_set_in_a_copy_takes_no_lock() {
        let set = ExitSet::new(InCopy);
        let arrivals = Arc::clone(&set.shared.arrivals);
        arrivals.while_locked(|| {
            assert!(matches!(set.insert(pid()), Err(WatchError::Forked)));
            assert!(!set.remove(pid()));
            assert!(set.is_empty() && set.pids().is_empty());
            let mut context = Context::from_waker(Waker::noop());
            let polled = Pin::new(&mut set.next()).poll(&mut context);
            assert!(matches!(polled, Poll::Ready(Err(WatchError::Forked))));
            assert!(matches!(set.poll_next(&mut context), Poll::Ready(None)));
            assert!(matches!(set.wait_timeout(Duration::MAX), Ok(None)));
            drop(NextExit {
                shared: &set.shared,
                place: Some(Place::OF_THE_SET),
            });
            drop(set);
        });
    }

    /// The executor's code, which may call the set: whether it ran without the lock.
    struct Executor {
        arrivals: Arc<Arrivals>,
        sender: mpsc::Sender<(&'static str, bool)>,
    }

    impl Executor {
        fn note(&self, what: &'static str) {
            // The test may have failed already.
            let _ = self.sender.send((what, !self.arrivals.is_locked()));
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

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            // Without the hook's message.
            std::panic::resume_unwind(Box::new("a waker's panic"));
        }
    }

    #[test]
    fn a_waker_that_panics_leaves_no_other_task_asleep() {
        let arrivals = Arc::new(Arrivals::new());
        let key = arrivals.enter(pid());
        let (sender, noted) = mpsc::channel();
        let note = Executor {
            arrivals: Arc::clone(&arrivals),
            sender,
        };
        let panics = || Waker::from(Arc::new(Panics));
        for waker in [panics(), Waker::from(Arc::new(note)), panics()] {
            let place = arrivals.new_place();
            assert_eq!(arrivals.poll(place, &waker), Found::Nothing);
        }
        let reports = || arrivals.report(key, Some(Exit::new(pid(), None)));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(reports));
        assert!(panicked.is_err(), "the first panic goes on");
        assert_eq!(noted.try_recv(), Ok(("woken", true)));
    }

    #[test]
    fn the_executors_code_runs_without_the_lock() {
        let set = ExitSet::new(InCopy);
        let arrivals = &set.shared.arrivals;
        let (sender, noted) = mpsc::channel();
        let poll = |place| {
            let executor = Executor {
                arrivals: Arc::clone(arrivals),
                sender: sender.clone(),
            };
            arrivals.poll(place, &Waker::from(Arc::new(executor)))
        };
        let key = arrivals.enter(pid());
        assert_eq!(poll(Place::OF_THE_SET), Found::Nothing);
        // This poll replaces the waker of the last one.
        assert_eq!(poll(Place::OF_THE_SET), Found::Nothing);
        assert_eq!(noted.try_recv(), Ok(("dropped", true)));
        let place = arrivals.new_place();
        assert_eq!(poll(place), Found::Nothing);
        arrivals.leave(place);
        assert_eq!(noted.try_recv(), Ok(("dropped", true)));
        arrivals.report(key, Some(Exit::new(pid(), None)));
        assert_eq!(noted.try_recv(), Ok(("woken", true)));
        assert_eq!(noted.try_recv(), Ok(("dropped", true)));
        assert_eq!(
            poll(Place::OF_THE_SET),
            Found::Answer(Some(Exit::new(pid(), None)))
        );
        assert_eq!(noted.try_recv(), Ok(("dropped", true)));
        assert_eq!(poll(Place::OF_THE_SET), Found::Empty);
    }

    /// The watcher refuses the last member, or ends while it takes the callback.
    #[test]
    fn a_task_that_waits_for_a_member_that_never_enters_is_woken() {
        for is_refused in [true, false] {
            let arrivals = Arc::new(Arrivals::new());
            let (sender, noted) = mpsc::channel();
            let key = arrivals.enter(pid());
            let executor = Executor {
                arrivals: Arc::clone(&arrivals),
                sender,
            };
            let waker = Waker::from(Arc::new(executor));
            assert_eq!(arrivals.poll(Place::OF_THE_SET, &waker), Found::Nothing);
            arrivals.report(key, None);
            if is_refused {
                arrivals.refused(key);
            } else {
                arrivals.entered(key, WatchHandle::new_unique(pid()));
            }
            assert_eq!(noted.try_recv(), Ok(("woken", true)));
        }
    }
}
