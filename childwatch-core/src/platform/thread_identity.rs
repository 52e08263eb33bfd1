//! [`ThreadIdentity`]: tells one thread from another, at any moment of its life.
//!
//! A program may use or drop a watcher in a destructor that runs as a thread ends: that of a
//! `pthread_key`, or of a C++ `thread_local`. std's own thread-local values may be gone by
//! then, and `std::thread::current` panics.

cfg_if::cfg_if! {
    if #[cfg(childwatch_loom)] {
        use crate::platform::sync::thread;

        type Number = thread::ThreadId;

        fn own() -> Number {
            thread::current().id()
        }
    } else {
        use std::cell::Cell;
        use std::sync::atomic::{AtomicU64, Ordering};

        type Number = u64;

        fn own() -> Number {
            static NEXT: AtomicU64 = AtomicU64::new(1);
            thread_local! {
                /// 0 until the thread asks. It has no destructor, so it lasts as long as the
                /// thread.
                static OWN: Cell<u64> = const { Cell::new(0) };
            }
            if OWN.get() == 0 {
                // Relaxed: the numbers only need to differ.
                OWN.set(NEXT.fetch_add(1, Ordering::Relaxed));
            }
            OWN.get()
        }
    }
}

/// A thread of this process. No other thread has the same identity, not even a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadIdentity(Number);

impl ThreadIdentity {
    /// Returns the identity of the calling thread.
    pub(crate) fn current() -> Self {
        ThreadIdentity(own())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_identity_and_no_other_has_it() {
        let own = ThreadIdentity::current();
        let other = || std::thread::spawn(ThreadIdentity::current).join().unwrap();
        let others = [other(), other()];
        assert_eq!(own, ThreadIdentity::current());
        assert_ne!(others[0], others[1]);
        assert!(!others.contains(&own));
    }
}
