//! [`Children`]: which children are watched, and who knows of their exits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// The pids of one page.
const PAGE: usize = 1 << 12;

/// The greatest pid that a kernel gives is below 2^22.
const PAGES: usize = (1 << 22) / PAGE;

/// The watcher has taken the child, and not yet told its exit.
const AWAITED: u8 = 1;
/// The program has reaped the child, and the watcher has not told its exit.
const UNTOLD: u8 = 2;
/// The watcher has told the exit, and the program has not reaped the child.
const UNREAPED: u8 = 3;

/// The children by their pids. There is no lock, because a handler of the program may reap.
pub(crate) struct Children {
    /// States by pid: 0 for a pid that is no watched child, or whose end both sides know. A page is
    /// there from its first watched child on.
    pages: Box<[OnceLock<Box<[AtomicU8]>>]>,
    untold: AtomicUsize,
}

impl Children {
    pub(crate) fn none() -> Self {
        Children {
            pages: (0..PAGES).map(|_| OnceLock::new()).collect(),
            untold: AtomicUsize::new(0),
        }
    }

    /// Returns the number of children that the program has reaped, and the watcher not yet told.
    pub(crate) fn untold(&self) -> usize {
        self.untold.load(Ordering::SeqCst)
    }

    pub(crate) fn watch(&self, pid: i32) {
        let Some((page, place)) = place(pid) else {
            return;
        };
        if let Some(page) = self.pages.get(page) {
            let page = page.get_or_init(|| (0..PAGE).map(|_| AtomicU8::new(0)).collect());
            page[place].store(AWAITED, Ordering::SeqCst);
        }
    }

    /// Notes that the program has reaped a child. Returns `false` if it was not watched.
    pub(crate) fn reap(&self, pid: i32) -> bool {
        let Some(state) = self.of(pid) else {
            return false;
        };
        // First, so that the number is never below zero.
        self.untold.fetch_add(1, Ordering::SeqCst);
        let reaped = state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| match state {
            AWAITED => Some(UNTOLD),
            UNREAPED => Some(0),
            _ => None,
        });
        if reaped != Ok(AWAITED) {
            self.untold.fetch_sub(1, Ordering::SeqCst);
        }
        reaped.is_ok()
    }

    /// Notes that the watcher has told the exit.
    pub(crate) fn tell(&self, pid: i32) {
        let Some(state) = self.of(pid) else {
            return;
        };
        let told = state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| match state {
            AWAITED => Some(UNREAPED),
            UNTOLD => Some(0),
            _ => None,
        });
        if told == Ok(UNTOLD) {
            self.untold.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Notes that the watcher has refused the child.
    pub(crate) fn refuse(&self, pid: i32) {
        let Some(state) = self.of(pid) else {
            return;
        };
        if state.swap(0, Ordering::SeqCst) == UNTOLD {
            self.untold.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn of(&self, pid: i32) -> Option<&AtomicU8> {
        let (page, place) = place(pid)?;
        Some(&self.pages.get(page)?.get()?[place])
    }
}

/// Returns the page of a pid, and its place there.
fn place(pid: i32) -> Option<(usize, usize)> {
    let pid = usize::try_from(pid).ok()?;
    Some((pid / PAGE, pid % PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID: i32 = 4097;

    #[test]
    fn what_the_program_has_reaped_is_untold_until_the_watcher_tells_it() {
        let children = Children::none();
        children.watch(PID);
        assert_eq!(children.untold(), 0);
        assert!(children.reap(PID));
        assert_eq!(children.untold(), 1);
        // Another child's end is not this one's.
        children.tell(PID + 1);
        assert_eq!(children.untold(), 1);
        children.tell(PID);
        assert_eq!(children.untold(), 0);
    }

    #[test]
    fn a_child_is_reaped_once_also_if_the_watcher_has_told_it_before() {
        let children = Children::none();
        children.watch(PID);
        children.tell(PID);
        assert!(children.reap(PID));
        assert_eq!(children.untold(), 0);
        // Its pid is another process's from here on.
        assert!(!children.reap(PID));
        assert_eq!(children.untold(), 0);
    }

    #[test]
    fn a_child_that_nobody_watches_is_not_noted() {
        let children = Children::none();
        assert!(!children.reap(PID) && !children.reap(-1) && !children.reap(i32::MAX));
        children.watch(PID + 1);
        assert!(!children.reap(PID));
        assert_eq!(children.untold(), 0);
    }

    #[test]
    fn a_child_that_the_watcher_has_refused_is_not_awaited() {
        let children = Children::none();
        children.watch(PID);
        children.refuse(PID);
        assert!(!children.reap(PID));
        // The program's handler may be faster than the refusal.
        children.watch(PID);
        assert!(children.reap(PID));
        children.refuse(PID);
        assert_eq!(children.untold(), 0);
    }
}
