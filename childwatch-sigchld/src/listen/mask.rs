//! Blocking `SIGCHLD` on a thread.

#![expect(unsafe_code, reason = "`pthread_sigmask`")]

use std::io;
use std::mem;
use std::ptr;

use signal_hook::consts::SIGCHLD;

/// Blocks or unblocks `SIGCHLD` on the calling thread.
///
/// # Errors
///
/// The kernel itself never refuses this. A sandbox may.
pub(crate) fn set_blocked(is_blocked: bool) -> io::Result<()> {
    let how = if is_blocked {
        libc::SIG_BLOCK
    } else {
        libc::SIG_UNBLOCK
    };
    // SAFETY: all zeros is a valid set, sigemptyset initialises it, and it lives across
    // the calls. A null old set is allowed.
    let refused = unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, SIGCHLD);
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut())
    };
    if refused == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(refused))
    }
}

/// Returns `true` if `SIGCHLD` is blocked on the calling thread.
pub(crate) fn is_blocked() -> bool {
    // SAFETY: a null new set only reads; sigismember reads what was written, or zeros.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut set);
        libc::sigismember(&raw const set, SIGCHLD) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_blocks_the_signal_and_unblocks_it() {
        std::thread::spawn(|| {
            for is_wanted in [true, false, true] {
                set_blocked(is_wanted).unwrap();
                assert_eq!(is_blocked(), is_wanted);
            }
        })
        .join()
        .unwrap();
    }
}
