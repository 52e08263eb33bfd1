//! [`AtomicU32`]: loom's type, with a cure for an order that loom 0.7 leaves out.
//!
//! For each atomic, loom remembers only the last access. It tries the next access before that
//! one and after it. If two threads load, and one of them then stores, the last access is that
//! thread's own load. So loom does not try the store before the other thread's load. (The
//! ring's tickets are used in this way. loom found a single order for a writer and a reader.)
//!
//! So a read-modify-write of another atomic precedes each operation. loom tries both orders of
//! any two of these. They are relaxed, so they order nothing else.

use loom::sync::atomic::Ordering;

#[derive(Debug)]
pub(crate) struct AtomicU32 {
    value: loom::sync::atomic::AtomicU32,
    turns: loom::sync::atomic::AtomicU32,
}

impl AtomicU32 {
    pub(crate) fn new(value: u32) -> Self {
        AtomicU32 {
            value: loom::sync::atomic::AtomicU32::new(value),
            turns: loom::sync::atomic::AtomicU32::new(0),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.turn().load(order)
    }

    pub(crate) fn store(&self, value: u32, order: Ordering) {
        self.turn().store(value, order);
    }

    pub(crate) fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        self.turn().fetch_add(value, order)
    }

    pub(crate) fn fetch_sub(&self, value: u32, order: Ordering) -> u32 {
        self.turn().fetch_sub(value, order)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.turn()
            .compare_exchange_weak(current, new, success, failure)
    }

    fn turn(&self) -> &loom::sync::atomic::AtomicU32 {
        self.turns.fetch_add(0, Ordering::Relaxed);
        &self.value
    }
}
