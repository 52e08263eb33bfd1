//! A timer of the program's own, whose signal interrupts calls.

#![expect(unsafe_code, reason = "`setitimer`, and a handler that counts")]

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::signals::restore_handler;

/// A timer that interrupts this process again and again by `SIGALRM`, until dropped. Calls
/// are not restarted.
pub(crate) struct Ticks {
    before: libc::sigaction,
}

static TICKS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn tick(_signal: libc::c_int) {
    TICKS.fetch_add(1, Ordering::SeqCst);
}

impl Ticks {
    pub(crate) fn every(period: Duration) -> Self {
        // SAFETY: both actions live across the call. The handler is async-signal-safe.
        let before = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = tick as *const () as libc::sighandler_t;
            let mut before: libc::sigaction = mem::zeroed();
            let answer = libc::sigaction(libc::SIGALRM, &raw const action, &raw mut before);
            assert_eq!(answer, 0, "SIGALRM can be handled");
            before
        };
        set_timer(period);
        Ticks { before }
    }

    /// How often the handler has run.
    pub(crate) fn count() -> usize {
        TICKS.load(Ordering::SeqCst)
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        set_timer(Duration::ZERO);
        restore_handler(libc::SIGALRM, &self.before);
    }
}

/// Sends `SIGALRM` to this process after each period, or no more if that is zero.
pub(super) fn set_timer(period: Duration) {
    let period = libc::timeval {
        tv_sec: period.as_secs() as libc::time_t,
        tv_usec: libc::suseconds_t::from(period.subsec_micros() as i32),
    };
    let timer = libc::itimerval {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: the timer lives across the call, and a null old one is allowed.
    let answer = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
    assert_eq!(answer, 0, "setitimer");
}
