//! [`install`]: the process's handler of `SIGCHLD`, which delivers to each
//! [`Subscription`](super::subscription::Subscription).
//!
//! # One handler for all watchers
//!
//! signal-hook installs the real handler, which also calls the handler that it found. We
//! register one action with signal-hook, successfully once in the life of a process. (A registration
//! that fails is taken back, and may be tried again.) The action delivers to the inboxes in a
//! list. signal-hook is not called again after that: not when another watcher
//! is made, and not when one is dropped. Therefore no watcher ever waits for the lock of
//! signal-hook.
//!
//! # When the handler has been removed
//!
//! Many programs reset their signals in a forked copy, before the copy does its own work. If
//! `SIGCHLD` has its default action or is ignored when a source arms its first child, [`install`]
//! installs a handler again. This one is not signal-hook's, and only delivers. signal-hook's would
//! also call the handler that it once found, and the actions of other libraries. The program has
//! removed them, and they may use what the copy does not have. If the process has another
//! handler instead, that one stays.
//!
//! # What runs in the handler
//!
//! | step | why it is async-signal-safe |
//! |---|---|
//! | signal-hook's handler finds its actions | by atomic operations alone |
//! | the handler that it found, if any | it is the program's own |
//! | [`deliver`] walks the list of inboxes, and counts the delivery in and out | the list is lock-free, and its entries are never freed |
//! | [`Inbox::signal`] counts and leaves a hint | atomic operations, in a ring of fixed size |
//! | the event count wakes the watcher's thread | `futex`, only if the thread waits; `errno` is restored |
//! | or it makes a driver's descriptor readable | `getpid` and `epoll_ctl`; `errno` is restored |
//!
//! rustix makes the system calls without libc, unless another crate of the program turns its
//! libc backend on. In both cases each is one system call.
//!
//! # Forked copies
//!
//! A copy inherits handler and action. It does not call signal-hook again, whose lock another
//! thread may have held at the fork. The handler then also delivers to the inherited inboxes.
//! That has no effect: their memory is the copy's own, no thread of the copy reads it, and a wire
//! knows its own process (see [`wire`](super::wire) for the limit of that). A
//! watcher of the copy takes an inbox of its own.

#![expect(
    unsafe_code,
    reason = "the signal's siginfo, signal-hook's registration; in tests, signals and copies"
)]

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use childwatch_core::source::clock;
use rustix::thread::futex;
use rustix::time::Timespec;
use signal_hook::consts::SIGCHLD;

use super::disposition::{self, disposition};
use super::inbox::Inbox;
use super::subscription::{Entry, entries};
use crate::events;

const NOT_INSTALLED: u32 = 0;
const BEING_INSTALLED: u32 = 1;
const INSTALLED: u32 = 2;

static STATE: AtomicU32 = AtomicU32::new(NOT_INSTALLED);

/// Returns `true` if this process or an ancestor has installed the handler.
#[cfg_attr(
    childwatch_loom,
    expect(dead_code, reason = "a model's kernel answers instead")
)]
pub(crate) fn is_installed() -> bool {
    has_been_installed(&STATE)
}

/// Returns `true` if `SIGCHLD` has its default action or is ignored. If that cannot be asked,
/// returns `false`.
pub(crate) fn is_removed() -> bool {
    disposition().is_ok_and(|now| !disposition::has_handler(&now))
}

fn has_been_installed(state: &AtomicU32) -> bool {
    state.load(Ordering::SeqCst) == INSTALLED
}

/// How long a thread waits while another thread installs the handler.
///
/// The installation takes microseconds. If the process was forked meanwhile, the installation
/// never ends in the copy. The copy then waits this long for its error.
const PATIENCE: Duration = Duration::from_secs(1);

/// Installs the handler, unless that has been done and the handler has not been
/// [removed](is_removed) since. It stays.
///
/// # Errors
///
/// Any error of `sigaction`, or `TimedOut` in a copy that was forked while another thread installed
/// the handler.
pub(crate) fn install() -> io::Result<()> {
    let mut is_new = false;
    install_once(&STATE, PATIENCE, || {
        register()?;
        is_new = true;
        Ok(())
    })?;
    if !is_new && disposition::install_over_none(deliver_only)? {
        is_new = true;
        HAS_FOUND_ANOTHER.store(false, Ordering::SeqCst);
    }
    // Not before: another thread may wait for the end of the installation.
    if is_new {
        events::handler_installed(HAS_FOUND_ANOTHER.load(Ordering::SeqCst));
    }
    Ok(())
}

/// A thread that waits here belongs to the program, so it must not park. Parking would consume an
/// `unpark` that an executor relies on.
fn install_once(
    state: &AtomicU32,
    patience: Duration,
    register: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let order = Ordering::SeqCst;
    let start = clock::monotonic();
    loop {
        match state.compare_exchange(NOT_INSTALLED, BEING_INSTALLED, order, order) {
            Err(INSTALLED) => return Ok(()),
            Err(_being_installed) => {}
            Ok(_) => {
                let installed = register();
                let next = match installed {
                    Ok(()) => INSTALLED,
                    Err(_) => NOT_INSTALLED,
                };
                state.store(next, order);
                // This fails only for a bad address, or in a sandbox. The others then wait for
                // as long as their patience lasts.
                let _ = futex::wake(state, futex::Flags::PRIVATE, i32::MAX as u32);
                return installed;
            }
        }
        let left = patience.saturating_sub(clock::monotonic().saturating_sub(start));
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "this process was forked while another thread installed the handler",
            ));
        }
        let left = Timespec::try_from(left).ok();
        let waited = futex::wait(state, futex::Flags::PRIVATE, BEING_INSTALLED, left.as_ref());
        if waited.is_err() {
            // The time is over, the state has changed, or a sandbox refuses the wait.
            thread::yield_now();
        }
    }
}

/// Set before ours is installed, and cleared when ours is installed again over none.
static HAS_FOUND_ANOTHER: AtomicBool = AtomicBool::new(false);

/// Returns `true` if a handler of the program's may run on a thread that lets `SIGCHLD` through: the
/// program had one when ours was installed, and ours calls it, or the program has installed one since.
#[cfg_attr(
    childwatch_loom,
    expect(dead_code, reason = "a model's kernel answers instead")
)]
pub(crate) fn may_run_another() -> bool {
    may_run_another_beside(disposition())
}

#[cfg_attr(
    childwatch_loom,
    expect(dead_code, reason = "a model's kernel answers instead")
)]
fn may_run_another_beside(now: io::Result<libc::sigaction>) -> bool {
    match now {
        Ok(now) => !disposition::is_installed_over_none(&now),
        // Only a sandbox refuses the question.
        Err(_) => HAS_FOUND_ANOTHER.load(Ordering::SeqCst),
    }
}

/// Registers the action with signal-hook, and corrects the disposition.
fn register() -> io::Result<()> {
    let before = disposition()?;
    if disposition::has_handler(&before) {
        HAS_FOUND_ANOTHER.store(true, Ordering::SeqCst);
    }
    let correct = || disposition::correct(&before);
    // SAFETY: the action makes atomic operations, and the system calls `futex`, `getpid` and
    // `epoll_ctl`. It does not allocate, lock or panic.
    unsafe { register_action(deliver, correct) }
}

/// Delivers one signal to each inbox.
fn deliver(info: &libc::siginfo_t) {
    // SAFETY: these fields may be read of any siginfo_t that came with SIGCHLD; `signal`
    // judges their meaning by si_code.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    deliver_to(entries(), |inbox| inbox.signal(pid, info.si_code, status));
}

/// The handler that takes the place of a removed one. It calls nothing else.
extern "C" fn deliver_only(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a siginfo_t that lives until the handler returns. A program that
    // calls the handler that it found may pass null, or what the kernel has passed.
    if let Some(info) = unsafe { info.as_ref() } {
        deliver(info);
    }
}

/// A delivery to one inbox ends when each has its signal. Until then the handler runs, perhaps on
/// an alternate stack, and no callback of any watcher may end the process.
fn deliver_to<'a>(entries: impl Iterator<Item = &'a Entry> + Clone, signal: impl Fn(&Inbox)) {
    for entry in entries.clone() {
        entry.inbox.begin_delivery();
    }
    for entry in entries.clone() {
        signal(&entry.inbox);
    }
    for entry in entries {
        entry.inbox.end_delivery();
    }
}

/// Registers an action, and then makes a correction. If the correction fails, the action is removed.
/// Otherwise each later try would add another action.
///
/// # Safety
///
/// The action is async-signal-safe.
unsafe fn register_action(
    action: impl Fn(&libc::siginfo_t) + Send + Sync + 'static,
    correct: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    // SAFETY: the caller's promise.
    let action = unsafe { signal_hook_registry::register_sigaction(SIGCHLD, action) }?;
    correct().inspect_err(|_| {
        signal_hook::low_level::unregister(action);
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::process;
    use std::sync::mpsc;

    use rustix::process::WaitOptions;

    use super::*;
    use crate::listen::subscription::Subscription;

    /// A child that is armed before that could exit without a signal.
    #[test]
    fn the_handler_is_installed_when_its_installation_has_ended() {
        let state = AtomicU32::new(NOT_INSTALLED);
        assert!(!has_been_installed(&state));
        let register = || {
            assert!(!has_been_installed(&state));
            Ok(())
        };
        install_once(&state, PATIENCE, register).unwrap();
        assert!(has_been_installed(&state));
    }

    #[test]
    fn no_delivery_ends_before_every_inbox_has_its_signal() {
        let entries = [(); 3].map(|()| Entry::new(process::id()));
        let delivering = || {
            entries
                .iter()
                .filter(|entry| entry.inbox.is_delivering())
                .count()
        };
        let signals = Cell::new(0);
        deliver_to(entries.iter(), |_| {
            signals.set(signals.get() + 1);
            assert_eq!(delivering(), entries.len());
        });
        assert_eq!((signals.get(), delivering()), (entries.len(), 0));
    }

    #[test]
    fn it_is_registered_once_and_again_after_a_failure() {
        let state = AtomicU32::new(NOT_INSTALLED);
        let refused = install_once(&state, PATIENCE, || Err(io::ErrorKind::Other.into()));
        assert!(refused.is_err());
        let mut times = 0;
        for _ in 0..2 {
            install_once(&state, PATIENCE, || {
                times += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(times, 1);
    }

    #[test]
    fn an_action_whose_correction_fails_is_taken_back() {
        static SIGNALS: AtomicU32 = AtomicU32::new(0);
        // What it registers first would be another's handler to the installation in a later test.
        install().unwrap();
        let counts = |_: &libc::siginfo_t| {
            SIGNALS.store(1, Ordering::SeqCst);
        };
        // SAFETY: the action is one atomic store.
        let refused = unsafe { register_action(counts, || Err(io::ErrorKind::Other.into())) };
        assert!(refused.is_err());
        // Another test's child may have exited in between.
        SIGNALS.store(0, Ordering::SeqCst);
        // SAFETY: takes plain values; the handler is signal-hook's.
        unsafe { libc::raise(SIGCHLD) };
        assert_eq!(SIGNALS.load(Ordering::SeqCst), 0);
    }

    /// The process may have been stopped meanwhile.
    #[test]
    fn what_is_installed_is_no_error_however_long_that_took() {
        let state = AtomicU32::new(INSTALLED);
        assert!(install_once(&state, Duration::ZERO, || unreachable!()).is_ok());
    }

    /// As in a copy that was forked in the middle of it.
    #[test]
    fn what_nobody_finishes_is_an_error_after_a_while() {
        let state = AtomicU32::new(BEING_INSTALLED);
        let patience = Duration::from_millis(20);
        let refused = install_once(&state, patience, || unreachable!("it is being installed"));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// An executor relies on the token, where the thread polls a future that watches a child.
    #[test]
    fn a_thread_that_waits_for_another_keeps_its_token_of_unpark() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let state = AtomicU32::new(BEING_INSTALLED);
            thread::current().unpark();
            let refused = install_once(&state, Duration::from_millis(20), || unreachable!());
            assert!(refused.is_err());
            thread::park();
            sender.send(()).unwrap();
        });
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Ok(()));
    }

    /// As long as that takes, and no longer.
    #[test]
    fn threads_wait_until_another_has_installed_it() {
        const LONG: Duration = Duration::from_secs(30);
        const WAITING: usize = 3;
        let state = &AtomicU32::new(NOT_INSTALLED);
        let (reached, at_gate) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let start = clock::monotonic();
        thread::scope(|scope| {
            let installing = scope.spawn(move || {
                install_once(state, PATIENCE, || {
                    reached.send(()).unwrap();
                    let _ = gate.recv();
                    Ok(())
                })
            });
            at_gate.recv().unwrap();
            let waiting = [(); WAITING].map(|()| {
                let tell = tell.clone();
                scope.spawn(move || {
                    tell.send(rustix::thread::gettid()).unwrap();
                    install_once(state, LONG, || unreachable!("it is being installed"))
                })
            });
            for thread in told.iter().take(WAITING) {
                let stat = format!("/proc/self/task/{thread}/stat");
                let is_asleep = || {
                    let stat = std::fs::read_to_string(&stat).unwrap();
                    stat.rsplit_once(") ").unwrap().1.starts_with('S')
                };
                while !is_asleep() {
                    thread::yield_now();
                }
            }
            drop(open);
            installing.join().unwrap().unwrap();
            for waiting in waiting {
                waiting.join().unwrap().unwrap();
            }
        });
        assert!(clock::monotonic() - start < LONG);
    }

    /// Nothing here is a lock that a copy could find locked.
    #[test]
    fn a_copy_that_is_made_while_others_subscribe_subscribes_too() {
        /// The scope waits for its thread, also after a failed assertion.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        // Another test may be installing it: a copy made meanwhile has its own answer.
        install().unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _over = Over(&is_over);
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    drop((Subscription::new(), Subscription::new()));
                }
            });
            for _ in 0..100 {
                // SAFETY: the copy makes atomic operations and system calls, and
                // allocates, which glibc and musl allow in a copy that `fork` has made.
                let copy = unsafe { libc::fork() };
                assert_ne!(copy, -1);
                if copy == 0 {
                    let is_fresh = !Subscription::new().is_open() && install().is_ok();
                    // SAFETY: ends the copy at once.
                    unsafe { libc::_exit(i32::from(!is_fresh)) }
                }
                let copy = rustix::process::Pid::from_raw(copy).unwrap();
                let ended = rustix::process::waitpid(Some(copy), WaitOptions::empty()).unwrap();
                assert_eq!(ended.unwrap().1.exit_status(), Some(0));
            }
        });
    }

    /// As programs do in their copies. The action that another library has registered with
    /// signal-hook does not come back.
    #[test]
    fn a_handler_that_a_copy_has_removed_is_installed_again_and_only_delivers() {
        static OTHERS: AtomicU32 = AtomicU32::new(0);
        install().unwrap();
        let counts = |_: &libc::siginfo_t| {
            OTHERS.fetch_add(1, Ordering::SeqCst);
        };
        // SAFETY: the action is one atomic addition.
        let others = unsafe { signal_hook_registry::register_sigaction(SIGCHLD, counts) }.unwrap();
        for nothing in [libc::SIG_DFL, libc::SIG_IGN] {
            let is_installed_again = in_a_copy_with(nothing, || {
                let was_removed = is_removed();
                // A handler that ours once called has been removed with it.
                HAS_FOUND_ANOTHER.store(true, Ordering::SeqCst);
                let is_installed = install().is_ok() && !is_removed() && !may_run_another();
                let is_alone = !HAS_FOUND_ANOTHER.load(Ordering::SeqCst);
                let before = OTHERS.load(Ordering::SeqCst);
                let subscription = Subscription::new();
                subscription.open();
                // SAFETY: takes plain values; the handler is ours.
                unsafe { libc::raise(SIGCHLD) };
                let only_delivers = OTHERS.load(Ordering::SeqCst) == before;
                was_removed
                    && is_installed
                    && is_alone
                    && only_delivers
                    && subscription.epoch() == 1
            });
            assert!(is_installed_again, "{nothing:#x}");
        }
        signal_hook::low_level::unregister(others);
    }

    /// The program has put it there after ours, and may call ours or not.
    #[test]
    fn a_handler_of_the_programs_is_not_replaced() {
        extern "C" fn programs(_: libc::c_int) {}
        install().unwrap();
        let handler = programs as extern "C" fn(libc::c_int) as libc::sighandler_t;
        assert!(in_a_copy_with(handler, || {
            install().is_ok() && disposition().is_ok_and(|now| now.sa_sigaction == handler)
        }));
    }

    /// It must not run on the watcher's thread while the program blocks the signal.
    #[test]
    fn a_handler_that_the_program_has_installed_since_may_run() {
        extern "C" fn programs(_: libc::c_int) {}
        install().unwrap();
        assert!(!may_run_another());
        let handler = programs as extern "C" fn(libc::c_int) as libc::sighandler_t;
        assert!(in_a_copy_with(handler, may_run_another));
    }

    /// It may read the signal by `signalfd` or `sigwaitinfo` then.
    #[test]
    fn where_the_program_has_removed_ours_no_thread_is_to_let_the_signal_through() {
        install().unwrap();
        for nothing in [libc::SIG_DFL, libc::SIG_IGN] {
            assert!(in_a_copy_with(nothing, may_run_another), "{nothing:#x}");
        }
    }

    /// In a sandbox that was entered since. The program may have had a handler then, or none.
    #[test]
    fn where_the_question_is_refused_what_was_found_at_first_counts() {
        install().unwrap();
        for found in [true, false] {
            assert!(in_a_copy_with(libc::SIG_DFL, || {
                HAS_FOUND_ANOTHER.store(found, Ordering::SeqCst);
                let refused = may_run_another_beside(Err(io::ErrorKind::PermissionDenied.into()));
                refused == found
            }));
        }
    }

    /// Returns what `is_well` returns in a forked copy, in which `SIGCHLD` does something else.
    fn in_a_copy_with(handler: libc::sighandler_t, is_well: impl FnOnce() -> bool) -> bool {
        // SAFETY: the copy makes atomic operations and system calls, and allocates, which glibc
        // and musl allow in a copy that `fork` has made. Its disposition is its own, and its
        // handler is a constant or a function.
        let copy = unsafe {
            let copy = libc::fork();
            if copy == 0 {
                libc::signal(SIGCHLD, handler);
                libc::_exit(i32::from(!is_well()));
            }
            copy
        };
        let copy = rustix::process::Pid::from_raw(copy).unwrap();
        let ended = rustix::process::waitpid(Some(copy), WaitOptions::empty()).unwrap();
        ended.unwrap().1.exit_status() == Some(0)
    }

    #[test]
    fn the_handler_is_installed_once_and_delivers() {
        install().unwrap();
        let installed = disposition().unwrap();
        install().unwrap();
        assert_eq!(disposition().unwrap().sa_sigaction, installed.sa_sigaction);
        assert!(![libc::SIG_DFL, libc::SIG_IGN].contains(&installed.sa_sigaction));

        let subscription = Subscription::new();
        subscription.open();
        let before = subscription.epoch();
        // SAFETY: takes plain values; the handler is ours.
        unsafe { libc::raise(SIGCHLD) };
        assert_ne!(subscription.epoch(), before);
    }
}
