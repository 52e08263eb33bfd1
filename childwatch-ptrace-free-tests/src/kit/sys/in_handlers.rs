//! A handler that calls the C library, as POSIX allows, and interrupts a program in the same calls.

#![expect(
    unsafe_code,
    reason = "`fork`, `seteuid`, and a handler that calls them"
)]

use std::hint;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::signals::{restore_handler, set_handler};
use super::ticks::set_timer;

static RUNS: AtomicUsize = AtomicUsize::new(0);

/// A handler runs for this program from time to time, and calls the C library, until dropped.
pub(crate) struct Handler {
    before: libc::sigaction,
}

impl Handler {
    pub(crate) fn begin() -> Self {
        const PERIOD: Duration = Duration::from_millis(1);
        let before = set_handler(libc::SIGALRM, run);
        set_timer(PERIOD);
        Handler { before }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        set_timer(Duration::ZERO);
        restore_handler(libc::SIGALRM, &self.before);
    }
}

extern "C" fn run(_signal: libc::c_int) {
    call();
    RUNS.fetch_add(1, Ordering::SeqCst);
}

/// How often the handler has run.
pub(crate) fn runs() -> usize {
    RUNS.load(Ordering::SeqCst)
}

/// Changes the user to what it is, and makes a process that ends at once. A program with one thread may
/// do both in a handler: POSIX says so of `fork` until 2024, and of `setuid` and the like.
fn call() {
    // SAFETY: all calls are async-signal-safe in a program with one thread, and the copy ends
    // at once. The status lives across the call.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::seteuid(libc::geteuid());
        match libc::fork() {
            0 => libc::_exit(0),
            copy => {
                let mut status = 0;
                while libc::waitpid(copy, &raw mut status, 0) == -1 && *errno == libc::EINTR {}
            }
        }
        *errno = before;
    }
}

/// Makes the same calls, and allocates.
pub(crate) fn call_and_allocate() {
    call();
    let blocks: Vec<_> = (0..2000_usize).map(|k| vec![0_u8; 2000 + k]).collect();
    drop(hint::black_box(blocks));
}
