//! A signal that each thread of this process answers.

#![expect(unsafe_code, reason = "`tgkill`, and a handler that notes its thread")]

use std::sync::atomic::{AtomicI32, Ordering};

use super::signals::{restore_handler, set_handler};
use super::threads::{thread_id, threads};
use crate::kit::deadline;

/// A signal whose handler notes the thread that it runs on, until dropped.
pub(crate) struct AnsweredSignal {
    signal: i32,
    before: libc::sigaction,
}

/// The threads that have answered, in any order; 0 for none.
static ANSWERS: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];

extern "C" fn answer(_signal: libc::c_int) {
    // SAFETY: takes nothing, and is async-signal-safe.
    let own = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
    for place in &ANSWERS {
        let free = place.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst);
        if free.is_ok() {
            break;
        }
    }
}

impl AnsweredSignal {
    pub(crate) fn handle(signal: i32) -> Self {
        let before = set_handler(signal, answer);
        AnsweredSignal { signal, before }
    }

    /// Signals each thread, and waits for the answers of all that live.
    ///
    /// # Panics
    ///
    /// When one does not answer.
    #[track_caller]
    pub(crate) fn ask_all(signal: i32) {
        for place in &ANSWERS {
            place.store(0, Ordering::SeqCst);
        }
        // The caller last, which answers at once.
        let mut asked = threads();
        asked.sort_by_key(|thread| *thread == thread_id());
        asked.retain(|thread| {
            let own = std::process::id() as i32;
            // SAFETY: takes plain values. Every thread may run the handler.
            unsafe { libc::syscall(libc::SYS_tgkill, own, *thread, signal) == 0 }
        });
        deadline::until("each thread answers", || {
            let alive = threads();
            asked.iter().filter(|one| alive.contains(one)).all(|one| {
                let mut answers = ANSWERS.iter();
                answers.any(|place| place.load(Ordering::SeqCst) == *one)
            })
        });
    }
}

impl Drop for AnsweredSignal {
    fn drop(&mut self) {
        restore_handler(self.signal, &self.before);
    }
}
