//! A handler of `SIGCHLD` that calls the one which it found.

#![expect(
    unsafe_code,
    reason = "`sigaction`, and the call of a handler that was found"
)]

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A handler of the program's own, which counts, and calls the handler that it found.
pub(crate) struct Chained;

static RUNS: AtomicUsize = AtomicUsize::new(0);
/// The handler that was found; 0 for none, and for the handler itself.
static FOUND: AtomicUsize = AtomicUsize::new(0);

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

extern "C" fn count_and_call_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    RUNS.fetch_add(1, Ordering::SeqCst);
    let found = FOUND.load(Ordering::SeqCst);
    if found != 0 {
        // SAFETY: `install` stores handlers alone, which take these arguments or fewer.
        let found = unsafe { mem::transmute::<usize, Handler>(found) };
        found(signal, info, context);
    }
}

impl Chained {
    /// Installs the handler, unless it is there.
    pub(crate) fn install() {
        let own = count_and_call_on as *const () as libc::sighandler_t;
        // SAFETY: both actions live across the call, and the handler fits its flags.
        let found = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = own;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            let mut found: libc::sigaction = mem::zeroed();
            let answer = libc::sigaction(libc::SIGCHLD, ptr::null(), &raw mut found);
            assert_eq!(answer, 0, "the action can be read");
            if found.sa_sigaction == own {
                return;
            }
            libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut());
            found.sa_sigaction
        };
        let is_handler = ![libc::SIG_DFL, libc::SIG_IGN].contains(&found);
        FOUND.store(if is_handler { found } else { 0 }, Ordering::SeqCst);
    }

    /// How often it has run.
    pub(crate) fn runs() -> usize {
        RUNS.load(Ordering::SeqCst)
    }
}
