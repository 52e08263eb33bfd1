//! [`Busy`]: processors with other work.

use std::hint;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Threads that spin until it is dropped. The drop waits for their end.
pub(crate) struct Busy {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    pub(crate) fn start(threads: NonZeroUsize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let spin = || {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || spin_until(&is_over))
        };
        let threads = (0..threads.get()).map(|_| spin()).collect();
        Busy { is_over, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // The loop does not panic.
            let _ = thread.join();
        }
    }
}

fn spin_until(is_over: &AtomicBool) {
    // SeqCst is a plain load on common machines, and the loop may be slow.
    while !is_over.load(Ordering::SeqCst) {
        hint::spin_loop();
    }
}
