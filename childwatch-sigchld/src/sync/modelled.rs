//! [`AtomicU32`]: loom's, with a cure for an order that loom 0.7 leaves out.
//!
//! Of each atomic loom remembers the last access, to know with which one the next may
//! change places. When a thread loads what another has loaded, and stores then, the last
//! access is its own: that its store may come before the other's load is not seen. (The
//! ring's tickets are used just so: it found a single order for a writer and a reader.)
//!
//! So each operation is preceded by a read-modify-write of an atomic beside it. Any two of
//! those may change places, and being relaxed they order nothing else.

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
