//! [`Numbers`]: the former owners of each number.

use std::sync::atomic::{AtomicU8, Ordering};

use childwatch_core::Pid;

/// A number has been a child's.
const SEEN: u8 = 1;
/// Its last child was reaped and left registered.
const LEFT_REGISTERED: u8 = 2;

/// A word for each number.
pub(super) struct Numbers(Vec<AtomicU8>);

impl Numbers {
    pub(super) fn up_to(most: u32) -> Self {
        Numbers((0..=most).map(|_| AtomicU8::new(0)).collect())
    }

    /// Notes a birth; whether the number has been another's.
    pub(super) fn is_reused(&self, pid: Pid) -> bool {
        self.of(pid).fetch_or(SEEN, Ordering::SeqCst) & SEEN != 0
    }

    /// Its child is about to be reaped, and will stay registered.
    pub(super) fn leave_registered(&self, pid: Pid) {
        self.of(pid).fetch_or(LEFT_REGISTERED, Ordering::SeqCst);
    }

    /// Whether the number's last child was left so. It is the new one's affair now.
    pub(super) fn take_over(&self, pid: Pid) -> bool {
        self.of(pid).fetch_and(!LEFT_REGISTERED, Ordering::SeqCst) & LEFT_REGISTERED != 0
    }

    /// How many numbers there may be.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    fn of(&self, pid: Pid) -> &AtomicU8 {
        // Numbers end at the limit, save those that were given before it was lowered.
        let index = usize::try_from(pid.as_raw()).unwrap_or_default();
        &self.0[index.min(self.0.len() - 1)]
    }
}
