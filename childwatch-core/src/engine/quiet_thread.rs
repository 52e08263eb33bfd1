//! The library's own threads. No signal handler of the program runs on them.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use rustix::thread::gettid;

use crate::contract::error::WatchError;
use crate::engine::signal_mask::SignalMask;
use crate::platform::clock::monotonic;
use crate::platform::sync::thread::{Builder, JoinHandle};
use crate::platform::thread_identity::ThreadIdentity;

/// The number of bytes of a thread's name that Linux shows.
pub(crate) const NAME_BYTES: usize = 15;

/// A thread of the library's own.
#[derive(Debug)]
pub(crate) struct QuietThread {
    handle: JoinHandle<()>,
    start: Arc<Start>,
}

/// How far a new thread is.
#[derive(Debug, Default)]
struct Start {
    /// Empty until the thread runs.
    running: Mutex<Option<Running>>,
    runs: Condvar,
}

/// What identifies a running thread.
#[derive(Clone, Copy, Debug)]
struct Running {
    identity: ThreadIdentity,
    /// The thread's id (`gettid`).
    number: Pid,
}

impl QuietThread {
    /// Returns `true` if the calling thread is this one.
    pub(crate) fn is_current(&self) -> bool {
        let running = *self.start.lock();
        running.is_some_and(|thread| thread.identity == ThreadIdentity::current())
    }

    pub(crate) fn unpark(&self) {
        self.handle.thread().unpark();
    }

    /// Waits until the thread has ended, and the kernel counts it no longer.
    ///
    /// `pthread_join` returns a little earlier, when the thread's stack is free. Some calls are
    /// only for processes with one thread, such as `unshare(CLONE_NEWUSER)`. If such a call
    /// follows `pthread_join` at once, the kernel refuses up to 0.4 % of the calls.
    pub(crate) fn join(self) {
        // The thread catches every panic, so there is none to pass on.
        let _ = self.handle.join();
        // In a model the thread is one of loom's.
        let running = *self.start.lock();
        if let Some(running) = running.filter(|_| !cfg!(childwatch_loom)) {
            await_release(running.number);
        }
    }
}

impl Start {
    /// Called by the thread.
    fn run(&self) {
        *self.lock() = Some(Running {
            identity: ThreadIdentity::current(),
            number: gettid(),
        });
        self.runs.notify_all();
    }

    /// Waits until the thread runs, or for [`LONGEST_START`].
    ///
    /// A new thread is on the C library's list before it runs. The program may be copied at that time by
    /// the system call `clone`. If the copy changes its user, glibc waits there for ever for the thread
    /// to begin.
    ///
    /// In a model all threads are one thread of the system's, so this one does not wait.
    fn wait(&self) {
        if !cfg!(childwatch_loom) {
            let is_new = |running: &mut Option<Running>| running.is_none();
            let waited = self
                .runs
                .wait_timeout_while(self.lock(), LONGEST_START, is_new);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Nothing under the lock can panic.
    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread begins when it gets a processor. Beside 30 busy processes for each processor, each of 1,000
/// threads began within 96 ms. But if the creator is in a constructor that `dlopen` runs, it
/// has the loader's lock. With glibc the thread may need that lock to begin.
const LONGEST_START: Duration = Duration::from_millis(100);

/// Waits until no thread has this id, but not much longer than 0.1 s. A thread that a debugger
/// traces stays until the debugger has waited for it.
///
/// A pause lasts longer by up to the timer slack of the calling thread. A program that saves power may
/// have set that to seconds. So the pauses end when their time is over, too.
fn await_release(number: Pid) {
    const YIELDS: u32 = 100;
    const PAUSES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(1);
    const LIMIT: Duration = Duration::from_millis(500);
    let start = monotonic();
    for look in 0..YIELDS + PAUSES {
        // ESRCH: the thread is gone. EPERM: a sandbox forbids the question, so waiting is of no
        // use.
        if test_kill_process(number).is_err() {
            return;
        }
        if look < YIELDS {
            std::thread::yield_now();
        } else if monotonic().saturating_sub(start) < LIMIT {
            pause(PAUSE);
        } else {
            return;
        }
    }
}

/// Sleeps between two looks. `park_timeout` would consume an `unpark` that the caller's executor
/// relies on.
#[expect(
    clippy::disallowed_methods,
    reason = "the kernel tells nobody that it has released a thread"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Spawns a thread that blocks every signal except the synchronous ones. `body` gets the
/// mask of the calling thread. `operation` names the new thread in the error. It must end in
/// "thread", because the text of the error depends on that.
///
/// A new thread inherits the mask of its creator, so the creator blocks the signals while
/// it creates the thread. If the new thread blocked them itself, a handler could run there
/// before that. The creator unblocks nothing. If it blocks a synchronous signal, the new thread
/// unblocks that signal first of all.
pub(crate) fn spawn(
    name: &str,
    operation: &'static str,
    body: impl FnOnce(SignalMask) + Send + 'static,
) -> Result<QuietThread, WatchError> {
    debug_assert!(name.len() <= NAME_BYTES, "Linux cuts {name:?}");
    let before =
        SignalMask::block_asynchronous().map_err(|source| refused("pthread_sigmask", source))?;
    let restored = Restored(before);
    let start = Arc::new(Start::default());
    let spawned = Builder::new().name(name.to_owned()).spawn({
        let start = Arc::clone(&start);
        move || {
            start.run();
            if before.blocks_synchronous() {
                // Only a sandbox could refuse this, and it has just allowed the same call.
                let _ = SignalMask::unblock_synchronous();
            }
            body(before);
        }
    });
    match spawned {
        Ok(handle) => {
            drop(restored);
            start.wait();
            Ok(QuietThread { handle, start })
        }
        Err(source) => Err(refused(operation, source)),
    }
}

/// Gives the calling thread this mask when dropped.
struct Restored(SignalMask);

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = self.0.set();
    }
}

/// The error for a refused thread.
///
/// - EAGAIN, ENOMEM: there are no more threads, or no memory.
/// - EPERM, EACCES, ENOSYS: a sandbox forbids threads, or forbids to block signals.
/// - EINVAL: the process has unshared its pid namespace. A thread cannot be created in another
///   pid namespace than that of its process. From Linux 5.6 on the same held for time namespaces.
///   Linux 6.18 allows it for them.
///
/// In the last two cases a retry does not help. musl has `EAGAIN` for all of them.
fn refused(operation: &'static str, source: io::Error) -> WatchError {
    let pid = None;
    match source.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOMEM) => WatchError::ResourceLimit {
            operation,
            pid,
            source,
        },
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EINVAL) => WatchError::Unsupported {
            operation,
            pid,
            source,
        },
        _ => WatchError::Os {
            operation,
            pid,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::engine::signal_mask::SYNCHRONOUS_SIGNALS;
    use crate::platform::refusing::on_a_thread_without;

    fn kind(errno: i32) -> WatchError {
        refused("a thread", io::Error::from_raw_os_error(errno))
    }

    /// What a quiet thread blocks, and the mask that its body is given.
    fn masks_of_a_new_thread() -> (Vec<i32>, Vec<i32>) {
        let (sender, receiver) = mpsc::channel();
        let thread = spawn("quiet", "a test's thread", move |creator_mask| {
            let own = SignalMask::current().unwrap().blocked();
            sender.send((own, creator_mask.blocked())).unwrap();
        });
        let masks = receiver.recv().unwrap();
        thread.unwrap().join();
        masks
    }

    #[test]
    fn the_new_thread_blocks_every_signal_and_its_creator_what_it_blocked() {
        let before = SignalMask::current().unwrap().blocked();
        let (quiet, creator_mask) = masks_of_a_new_thread();
        assert_eq!(SignalMask::current().unwrap().blocked(), before);
        assert_eq!(creator_mask, before);
        // KILL and STOP can't be blocked, nor what the C library keeps to itself.
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGALRM, libc::SIGUSR1] {
            assert!(quiet.contains(&signal), "{signal}");
        }
    }

    #[test]
    fn a_synchronous_signal_is_blocked_by_the_creator_alone() {
        let former = SignalMask::block(libc::SIGSYS);
        let before = SignalMask::current().unwrap().blocked();
        let (quiet, creator_mask) = masks_of_a_new_thread();
        assert_eq!(SignalMask::current().unwrap().blocked(), before);
        former.set().unwrap();
        assert!(creator_mask.contains(&libc::SIGSYS));
        for signal in SYNCHRONOUS_SIGNALS {
            assert!(!quiet.contains(&signal), "{signal}");
        }
    }

    /// If the creator let the signal through for a moment, its action would end the program.
    #[test]
    fn a_synchronous_signal_that_the_creator_blocks_stays_pending() {
        let is_pending = SignalMask::stays_pending(libc::SIGTRAP, || {
            masks_of_a_new_thread();
        });
        assert!(is_pending);
    }

    /// The program goes on without the watcher, and with its signals.
    #[test]
    fn a_thread_that_is_refused_leaves_its_creators_mask_alone() {
        on_a_thread_without(libc::SYS_clone3, || {
            let before = SignalMask::current().unwrap().blocked();
            // Some C libraries start a thread by another call.
            if let Ok(thread) = spawn("quiet", "a test's thread", |_| {}) {
                thread.join();
            }
            assert_eq!(SignalMask::current().unwrap().blocked(), before);
        });
    }

    /// Runs the wait for the start of a thread on a thread of its own. When that waits, `act` is
    /// called. Returns how long the wait has lasted, or `None` if it does not end.
    fn time_of_a_wait_for_a_start(act: impl FnOnce(&Start)) -> Option<Duration> {
        let start = Arc::new(Start::default());
        let waiting = Arc::clone(&start);
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        std::thread::spawn(move || {
            tell.send(gettid()).unwrap();
            let before = monotonic();
            waiting.wait();
            let _ = end.send(monotonic().saturating_sub(before));
        });
        let stat = format!("/proc/self/task/{}/stat", told.recv().unwrap());
        // After its end the thread has no such file.
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") S ")) {
            std::thread::yield_now();
        }
        act(&start);
        ended.recv_timeout(Duration::from_secs(60)).ok()
    }

    /// A constructor that `dlopen` runs has the lock that the thread needs to begin.
    #[test]
    fn a_thread_that_does_not_begin_is_not_waited_for_without_a_limit() {
        let waited = time_of_a_wait_for_a_start(|_| ());
        assert!(waited.expect("the wait ends") >= LONGEST_START);
    }

    #[test]
    fn a_thread_that_begins_ends_the_wait_for_it() {
        // A thread may get no processor for as long as the wait may last.
        let is_ended = (0..20).any(|_| {
            let waited = time_of_a_wait_for_a_start(Start::run);
            waited.expect("the wait ends") < LONGEST_START
        });
        assert!(is_ended, "it has waited for all its time");
    }

    #[test]
    fn no_thread_has_the_number_of_one_that_was_joined() {
        for _ in 0..200 {
            let thread = spawn("quiet", "a test's thread", |_| {}).unwrap();
            let start = Arc::clone(&thread.start);
            thread.join();
            let Running { number, .. } = start.lock().expect("the thread has run");
            // Unless another process has got it meanwhile.
            let own = format!("/proc/self/task/{number}");
            assert!(!std::path::Path::new(&own).exists());
        }
    }

    #[test]
    fn a_thread_that_is_forbidden_is_unsupported_and_one_too_many_a_limit() {
        for forbidden in [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::EINVAL] {
            let error = kind(forbidden);
            assert!(matches!(error, WatchError::Unsupported { .. }), "{error}");
        }
        let strange = kind(libc::EIO);
        assert!(matches!(strange, WatchError::Os { .. }), "{strange}");
        for short in [libc::EAGAIN, libc::ENOMEM] {
            let error = kind(short);
            assert!(matches!(error, WatchError::ResourceLimit { .. }), "{error}");
        }
    }

    /// An executor's thread drops a watcher, and has been unparked for a task meanwhile.
    #[test]
    fn the_wait_for_a_thread_keeps_the_callers_token_of_unpark() {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            std::thread::current().unpark();
            // This thread lives on, so the wait lasts as long as it can.
            await_release(gettid());
            std::thread::park();
            sender.send(())
        });
        let is_received = receiver.recv_timeout(Duration::from_secs(60)).is_ok();
        assert!(is_received, "the token is gone");
    }

    /// A debugger may trace the watcher's thread, and the program may save power.
    #[test]
    fn a_large_timer_slack_does_not_multiply_the_wait_for_a_thread() {
        const SLACK: Duration = Duration::from_millis(300);
        let waited = std::thread::spawn(|| {
            let slack = u64::try_from(SLACK.as_nanos()).unwrap();
            rustix::thread::set_current_timer_slack(slack.try_into().ok()).unwrap();
            let start = monotonic();
            // This thread lives on, so the wait lasts as long as it can.
            await_release(gettid());
            monotonic().saturating_sub(start)
        });
        // A hundred pauses would take 30 s.
        assert!(waited.join().unwrap() < SLACK * 20);
    }
}
