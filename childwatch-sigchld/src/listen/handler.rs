//! [`Subscription`]: an inbox that the process's handler of `SIGCHLD` delivers to.
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
//!
//! # The list
//!
//! The handler walks the list without a lock, so an inbox is never freed. A dropped subscription
//! leaves its inbox to the next one. So the list has as many inboxes as there were
//! subscriptions at one time. Each takes 4 KiB.
//!
//! # Flags and mask
//!
//! signal-hook installs its handler with `SA_RESTART`, `SA_SIGINFO` and an empty mask. We restore
//! the flags and the mask that were there before: see [`merged`].

#![expect(
    unsafe_code,
    reason = "`sigaction`, `atexit`, the signal's siginfo, signal-hook's registration, the list"
)]

use std::fmt;
use std::io;
use std::mem;
use std::ops::Deref;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use childwatch_core::source::clock;
use rustix::thread::futex;
use rustix::time::Timespec;
use signal_hook::consts::SIGCHLD;

use super::inbox::Inbox;
use crate::events;
use crate::sync::atomic;

/// An inbox in the handler's list, until dropped.
pub(crate) struct Subscription {
    entry: &'static Entry,
}

/// An inbox in the list. It is never freed.
pub(crate) struct Entry {
    inbox: Inbox,
    is_taken: atomic::AtomicBool,
    /// The process that made it. A forked copy never takes an inherited entry.
    process: u32,
    /// Set before the entry is published, and never changed.
    next: *const Entry,
}

// SAFETY: `next` is the only field that is not `Sync` by itself. It is written before the
// entry is published, and points to an entry, which is `Sync` and never freed.
unsafe impl Sync for Entry {}

impl Entry {
    /// An entry that is taken.
    pub(crate) fn new(process: u32) -> Self {
        Entry {
            inbox: Inbox::new(),
            is_taken: atomic::AtomicBool::new(true),
            process,
            next: ptr::null(),
        }
    }

    /// Takes the entry. Returns `true` if it was free.
    pub(crate) fn take(&self) -> bool {
        // Acquire: what the last holder did to the inbox comes before (its Release).
        !self.is_taken.swap(true, Ordering::Acquire)
    }

    /// Lets another subscription take the entry.
    pub(crate) fn give_back(&self) {
        self.inbox.close();
        // Release: closing comes before the next holder's use (its Acquire).
        self.is_taken.store(false, Ordering::Release);
    }

    #[cfg(childwatch_loom)]
    #[cfg(test)]
    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}

/// The newest entry.
static LIST: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

impl Subscription {
    /// Takes an inbox, which is closed and empty. Signals reach it once the handler has
    /// been [installed](install).
    pub(crate) fn new() -> Self {
        let own = process::id();
        let free = entries().find(|entry| {
            let is_ours = entry.process == own;
            is_ours && entry.take()
        });
        let entry = free.unwrap_or_else(|| publish(own));
        // Hints may be left from the last holder, or from a handler that ran just then.
        while entry.inbox.pop_hint().is_some() {}
        Subscription { entry }
    }
}

impl Deref for Subscription {
    type Target = Inbox;

    fn deref(&self) -> &Inbox {
        &self.entry.inbox
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.entry.give_back();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription")
            .field(&self.entry.inbox)
            .finish()
    }
}

/// Adds a new entry to the list.
fn publish(process: u32) -> &'static Entry {
    let entry = Box::into_raw(Box::new(Entry::new(process)));
    // SAFETY: the entry is new.
    unsafe { link(&LIST, entry) };
    // SAFETY: the entry is never freed, and only shared from here on.
    unsafe { &*entry }
}

/// Makes an entry the newest of a list. It is lock-free, because a copy forked in the middle
/// of it must be able to do the same.
///
/// # Safety
///
/// The pointer is valid, and nothing else refers to the entry.
unsafe fn link(list: &AtomicPtr<Entry>, entry: *mut Entry) {
    let mut newest = list.load(Ordering::Acquire);
    loop {
        // SAFETY: the entry is not published yet, so nothing else refers to it.
        unsafe { (*entry).next = newest };
        // Release: the entry is whole before another thread can see it.
        match list.compare_exchange(newest, entry, Ordering::Release, Ordering::Acquire) {
            Ok(_) => return,
            Err(current) => newest = current,
        }
    }
}

/// Every entry, newest first. Async-signal-safe.
///
/// The clones of one iterator have the same entries. A later one is in front of them.
fn entries() -> impl Iterator<Item = &'static Entry> + Clone {
    // Acquire: the entries are whole (Release in `link`).
    let mut next = LIST.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: null, or a published entry, which is never freed and only shared.
        let entry = unsafe { next.as_ref() }?;
        next = entry.next;
        Some(entry)
    })
}

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

fn has_been_installed(state: &AtomicU32) -> bool {
    state.load(Ordering::SeqCst) == INSTALLED
}

/// How long a thread waits while another thread installs the handler.
///
/// The installation takes microseconds. If the process was forked meanwhile, the installation
/// never ends in the copy. The copy then waits this long for its error.
const PATIENCE: Duration = Duration::from_secs(1);

/// Installs the handler, unless that has been done. It stays.
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

/// Set before ours is installed, and never cleared.
static HAS_FOUND_ANOTHER: AtomicBool = AtomicBool::new(false);

/// Returns `true` if the program had a handler when ours was installed. That handler then runs on
/// every thread on which ours runs.
#[cfg_attr(
    childwatch_loom,
    expect(dead_code, reason = "a model's kernel answers instead")
)]
pub(crate) fn has_found_another() -> bool {
    HAS_FOUND_ANOTHER.load(Ordering::SeqCst)
}

/// Registers the action with signal-hook, and corrects the disposition.
fn register() -> io::Result<()> {
    let before = disposition()?;
    if has_handler(&before) {
        HAS_FOUND_ANOTHER.store(true, Ordering::SeqCst);
    }
    let correct = || {
        let now = disposition()?;
        let merged = merged(&before, &now);
        set_disposition(&merged)?;
        if !has_handler(&before) {
            ON_ALTERNATE_STACKS.store(merged.sa_sigaction, Ordering::SeqCst);
            // SAFETY: the function may run at any time, also twice. If it cannot be
            // registered, nothing else suffers.
            unsafe { libc::atexit(leave_alternate_stacks) };
        }
        Ok(())
    };
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

/// The handler to which we have given `SA_ONSTACK`, or 0.
static ON_ALTERNATE_STACKS: AtomicUsize = AtomicUsize::new(0);

/// Takes `SA_ONSTACK` back when the program exits on another thread than its first.
///
/// If that thread calls `std::process::exit`, std unmaps the alternate stack of the first
/// thread and leaves it in use (releases of Rust up to 1.95 at least). A `SIGCHLD` on the
/// first thread would then end the process by SIGSEGV, as long as the exit handlers run.
/// std has nothing to hook into before that, so some microseconds are left.
extern "C" fn leave_alternate_stacks() {
    // SAFETY: both calls take nothing. The first thread has the number of the process.
    let is_first = unsafe { libc::gettid() == libc::getpid() };
    let Ok(mut now) = disposition() else {
        return;
    };
    if !is_first && now.sa_sigaction == ON_ALTERNATE_STACKS.load(Ordering::SeqCst) {
        now.sa_flags &= !libc::SA_ONSTACK;
        // Only a sandbox refuses this. Then everything stays as it is.
        let _ = set_disposition(&now);
    }
}

fn has_handler(action: &libc::sigaction) -> bool {
    ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction)
}

/// The disposition to set: signal-hook's handler, with the flags and the mask of the
/// handler before, if there was one.
///
/// - If a handler was found, its flags and mask stay. The program may depend on them: on a `read`
///   that `SIGCHLD` interrupts, or on a signal that is blocked meanwhile. `SA_SIGINFO` is added.
///   `SA_RESETHAND` is removed, because with it only the first exit would call the handler.
/// - If no handler was found, nothing was interrupted before, so `SA_RESTART` is set.
///   `SA_ONSTACK` is set too: without it a signal on a thread with a small stack and an
///   alternate one, as Go's and some coroutines' are, overruns the small one.
///   All signals are blocked meanwhile, except the [synchronous](SYNCHRONOUS) ones. Otherwise a
///   handler that interrupts ours would run on the alternate stack too, without `SA_ONSTACK`. std's
///   alternate stack has 8 KiB, and with AVX-512 a signal's frame has 3.3 KiB: two signals
///   that are pending together with `SIGCHLD` would end the program.
/// - If the kernel reaped children by itself (`SIG_IGN` or `SA_NOCLDWAIT`), `SA_NOCLDWAIT` is set,
///   so that it still does. Otherwise a handler in the place of `SIG_IGN` would leave zombies.
/// - `SA_NOCLDSTOP` is set if it was set. It decides whether a program with a `signalfd` learns of
///   stopped children, also while the disposition is the default one.
fn merged(before: &libc::sigaction, now: &libc::sigaction) -> libc::sigaction {
    let mut merged = *now;
    if has_handler(before) {
        merged.sa_flags = before.sa_flags & !libc::SA_RESETHAND | libc::SA_SIGINFO;
        merged.sa_mask = before.sa_mask;
    } else {
        let kept = before.sa_flags & (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT);
        merged.sa_flags |= kept | libc::SA_RESTART | libc::SA_ONSTACK;
        merged.sa_mask = asynchronous_signals();
    }
    if before.sa_sigaction == libc::SIG_IGN {
        merged.sa_flags |= libc::SA_NOCLDWAIT;
    }
    merged
}

/// What the kernel raises in a thread for what the thread itself does. If it is blocked then, the
/// kernel kills the process.
const SYNCHRONOUS: [libc::c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Every signal except the [synchronous](SYNCHRONOUS) ones.
fn asynchronous_signals() -> libc::sigset_t {
    // SAFETY: all zeros is a valid set. sigfillset initialises it, and sigdelset changes a set that
    // is initialised.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut set);
        for signal in SYNCHRONOUS {
            libc::sigdelset(&raw mut set, signal);
        }
        set
    }
}

fn set_disposition(action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: the action is one that was read, with other flags and mask, so its handler
    // is a function or a constant. It lives across the call, and a null old action is
    // allowed.
    if unsafe { libc::sigaction(SIGCHLD, action, ptr::null_mut()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads what `SIGCHLD` does to this process now.
pub(crate) fn disposition() -> io::Result<libc::sigaction> {
    // SAFETY: a null new action only reads; the old one lives across the call, and all
    // zeros is a valid one.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        if libc::sigaction(SIGCHLD, ptr::null(), &raw mut action) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(action)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::mpsc;

    use rustix::process::WaitOptions;

    use super::*;

    fn action(sa_sigaction: libc::sighandler_t, sa_flags: libc::c_int) -> libc::sigaction {
        // SAFETY: all zeros is a valid sigaction.
        let zeros: libc::sigaction = unsafe { mem::zeroed() };
        libc::sigaction {
            sa_sigaction,
            sa_flags,
            ..zeros
        }
    }

    #[test]
    fn the_flags_keep_what_the_disposition_before_meant() {
        use libc::{
            SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART,
            SA_SIGINFO, SIG_DFL, SIG_IGN,
        };
        const HANDLER: libc::sighandler_t = 0x1000;
        const HOOKS: libc::sighandler_t = 0x2000;
        let now = action(HOOKS, SA_RESTART | SA_SIGINFO);
        let over = |handler, flags| {
            let merged = merged(&action(handler, flags), &now);
            assert_eq!(merged.sa_sigaction, HOOKS);
            merged.sa_flags
        };
        let plain = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
        assert_eq!(over(SIG_DFL, 0), plain);
        assert_eq!(over(SIG_DFL, SA_NOCLDSTOP), plain | SA_NOCLDSTOP);
        assert_eq!(over(SIG_DFL, SA_NOCLDWAIT), plain | SA_NOCLDWAIT);
        assert_eq!(over(SIG_IGN, 0), plain | SA_NOCLDWAIT);
        assert_eq!(over(HANDLER, 0), SA_SIGINFO, "it interrupts");
        assert_eq!(over(HANDLER, SA_RESTART), SA_SIGINFO | SA_RESTART);
        assert_eq!(over(HANDLER, SA_RESETHAND), SA_SIGINFO, "it is called on");
        let all = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_NODEFER | SA_ONSTACK;
        assert_eq!(over(HANDLER, all), SA_SIGINFO | all);
    }

    #[test]
    fn the_mask_of_the_handler_before_is_kept() {
        let mut before = action(0x1000, 0);
        // SAFETY: the sets live across the calls, and all zeros is a valid set.
        unsafe { libc::sigaddset(&raw mut before.sa_mask, libc::SIGUSR1) };
        let merged = merged(&before, &action(0x2000, 0));
        // SAFETY: as above.
        let is_member = |signal| unsafe { libc::sigismember(&raw const merged.sa_mask, signal) };
        assert_eq!(is_member(libc::SIGUSR1), 1);
        assert_eq!(is_member(libc::SIGUSR2), 0);
    }

    /// A handler that interrupted ours would run on an alternate stack.
    #[test]
    fn over_the_default_no_other_handler_interrupts_ours() {
        for before in [libc::SIG_DFL, libc::SIG_IGN] {
            let merged = merged(&action(before, 0), &action(0x2000, 0));
            let blocks =
                // SAFETY: the set lives across the call, and was initialised by sigfillset.
                |signal| unsafe { libc::sigismember(&raw const merged.sa_mask, signal) == 1 };
            for signal in (1..=31).chain([libc::SIGRTMIN(), libc::SIGRTMAX()]) {
                assert_eq!(blocks(signal), !SYNCHRONOUS.contains(&signal), "{signal}");
            }
        }
    }

    #[test]
    fn a_dropped_subscriptions_inbox_is_taken_again_closed_and_empty() {
        // Other tests have theirs, so the same one need not come at once.
        let mut seen = Vec::new();
        loop {
            let subscription = Subscription::new();
            assert!(!subscription.is_open());
            assert_eq!(subscription.pop_hint(), None);
            let address = ptr::from_ref(subscription.entry).addr();
            if seen.contains(&address) {
                return;
            }
            seen.push(address);
            subscription.open();
            subscription.signal(7, libc::CLD_EXITED, 0);
        }
    }

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
    fn two_subscriptions_have_two_inboxes() {
        let (first, second) = (Subscription::new(), Subscription::new());
        assert!(!ptr::eq(first.entry, second.entry));
        let count = |wanted: &Subscription| {
            let is_wanted = |entry: &&Entry| ptr::eq(*entry, wanted.entry);
            entries().filter(is_wanted).count()
        };
        assert_eq!((count(&first), count(&second)), (1, 1));
    }

    /// No signal reaches an entry that is not in the list.
    #[test]
    fn of_two_entries_that_are_added_at_once_none_is_lost() {
        const ROUNDS: usize = 20_000;
        let entries = [(); 2].map(|()| AtomicPtr::new(Box::into_raw(Box::new(Entry::new(0)))));
        let list = AtomicPtr::new(ptr::null_mut());
        let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let links = |entry: &AtomicPtr<Entry>| {
            for round in 1..=ROUNDS {
                while begun.load(Ordering::SeqCst) < round {
                    thread::yield_now();
                }
                // SAFETY: the entry lives, and no list has it any more.
                unsafe { link(&list, entry.load(Ordering::SeqCst)) };
                ended.fetch_add(1, Ordering::SeqCst);
            }
        };
        let lost = thread::scope(|scope| {
            for entry in &entries {
                scope.spawn(move || links(entry));
            }
            let mut lost = 0;
            for round in 1..=ROUNDS {
                list.store(ptr::null_mut(), Ordering::SeqCst);
                begun.store(round, Ordering::SeqCst);
                while ended.load(Ordering::SeqCst) < 2 * round {
                    thread::yield_now();
                }
                // SAFETY: both threads wait for the next round, and the entries live.
                let older = unsafe { (*list.load(Ordering::SeqCst)).next };
                lost += usize::from(older.is_null());
            }
            lost
        });
        for entry in entries {
            // SAFETY: a box has made it, and nothing refers to it any more.
            drop(unsafe { Box::from_raw(entry.into_inner()) });
        }
        assert_eq!(lost, 0);
    }

    /// A handler may have been about to leave a hint there at the fork. In the copy the place
    /// stays claimed, and no later hint comes through.
    #[test]
    fn a_copy_takes_no_inbox_of_its_parents() {
        const NONE_IS_FREE: i32 = 2;
        let code = || {
            drop(Subscription::new());
            // SAFETY: the copy makes atomic operations and system calls, and allocates, which
            // glibc and musl allow in a copy that `fork` has made.
            let copy = unsafe { libc::fork() };
            assert_ne!(copy, -1);
            if copy == 0 {
                let is_one_free = entries().any(|entry| !entry.is_taken.load(Ordering::SeqCst));
                let is_own = Subscription::new().entry.process == process::id();
                let code = if is_one_free {
                    i32::from(!is_own)
                } else {
                    NONE_IS_FREE
                };
                // SAFETY: ends the copy at once.
                unsafe { libc::_exit(code) }
            }
            let copy = rustix::process::Pid::from_raw(copy).unwrap();
            let ended = rustix::process::waitpid(Some(copy), WaitOptions::empty()).unwrap();
            ended.unwrap().1.exit_status()
        };
        // Another test may have taken it meanwhile.
        let mut codes = std::iter::repeat_with(code);
        assert_eq!(
            codes.find(|code| *code != Some(NONE_IS_FREE)),
            Some(Some(0))
        );
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

    /// Some runtimes have small stacks, on which no handler may run, up to the very end.
    #[test]
    fn at_the_end_a_handler_of_the_programs_stays_on_its_stack() {
        extern "C" fn programs(_: libc::c_int) {}
        // The copy has a disposition of its own, and its first thread is this one.
        // SAFETY: the copy makes system calls, and starts a thread, which glibc and musl
        // allow in a copy that `fork` has made.
        let copy = unsafe { libc::fork() };
        assert_ne!(copy, -1);
        if copy == 0 {
            let handler = programs as extern "C" fn(libc::c_int) as libc::sighandler_t;
            let is_set = set_disposition(&action(handler, libc::SA_ONSTACK)).is_ok();
            let ended = thread::spawn(|| leave_alternate_stacks()).join();
            let keeps = disposition().is_ok_and(|now| now.sa_flags & libc::SA_ONSTACK != 0);
            let is_well = is_set && ended.is_ok() && keeps;
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(i32::from(!is_well)) }
        }
        let copy = rustix::process::Pid::from_raw(copy).unwrap();
        let ended = rustix::process::waitpid(Some(copy), WaitOptions::empty()).unwrap();
        assert_eq!(ended.unwrap().1.exit_status(), Some(0));
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
