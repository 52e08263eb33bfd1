//! [`Subscription`]: an inbox in the list to which the handler of `SIGCHLD` delivers.
//!
//! The handler walks the list without a lock, so an inbox is never freed. A dropped subscription
//! leaves its inbox to the next one. So the list has as many inboxes as there were
//! subscriptions at one time. Each takes 4 KiB.

#![expect(
    unsafe_code,
    reason = "the list, which a handler walks; in tests, copies"
)]

use std::fmt;
use std::ops::Deref;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::inbox::Inbox;
use crate::sync::atomic;

/// An inbox in the handler's list, until dropped.
pub(crate) struct Subscription {
    entry: &'static Entry,
}

/// An inbox in the list. It is never freed.
pub(crate) struct Entry {
    pub(super) inbox: Inbox,
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
    /// been [installed](super::handler::install).
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
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> + Clone {
    // Acquire: the entries are whole (Release in `link`).
    let mut next = LIST.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: null, or a published entry, which is never freed and only shared.
        let entry = unsafe { next.as_ref() }?;
        next = entry.next;
        Some(entry)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use rustix::process::WaitOptions;

    use super::*;

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
}
