//! Threads of the library's own, on which no signal handler of the program runs.

#![expect(unsafe_code, reason = "`pthread_sigmask`")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::WatchError;
use crate::sync::thread::{Builder, JoinHandle};

/// Spawns a thread with every signal blocked; `whose` names it in the error, and ends in
/// "thread", by which the error's text knows what it is about.
///
/// A new thread inherits its maker's mask, so the caller blocks everything while
/// it makes the thread; blocking inside the new thread would leave a moment in
/// which a handler could run there.
pub(crate) fn spawn(
    name: &str,
    whose: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, WatchError> {
    let _blocked = AllSignalsBlocked::new().map_err(|source| refused("pthread_sigmask", source))?;
    let spawned = Builder::new().name(name.to_owned()).spawn(body);
    spawned.map_err(|source| refused(whose, source))
}

/// EAGAIN, ENOMEM: out of threads or memory. EPERM, EACCES, ENOSYS: a sandbox forbids
/// threads, or to block signals. EINVAL: the process has unshared its pid namespace, and
/// a thread cannot be born in another than its process's. (From Linux 5.6 on this held for
/// time namespaces too; 6.18 allows such a thread.) No retry helps there.
fn refused(operation: &'static str, source: io::Error) -> WatchError {
    let pid = None;
    match source.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOMEM) => WatchError::ResourceLimit {
            operation,
            pid,
            source,
        },
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EINVAL) => WatchError::Unsupported {
            operation,
            pid,
            source,
        },
        _ => WatchError::Os {
            operation,
            pid,
            source,
        },
    }
}

/// Blocks every signal on this thread until dropped.
struct AllSignalsBlocked {
    before: libc::sigset_t,
}

impl AllSignalsBlocked {
    /// The kernel itself never refuses this; a sandbox may.
    fn new() -> io::Result<Self> {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set it is given; pthread_sigmask reads that
        // one, and writes the other.
        let refused = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
        };
        if refused != 0 {
            return Err(io::Error::from_raw_os_error(refused));
        }
        // SAFETY: pthread_sigmask has succeeded, and so has initialised it.
        let before = unsafe { before.assume_init() };
        Ok(AllSignalsBlocked { before })
    }
}

impl Drop for AllSignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: `before` is the mask that this thread had; a null old set is
        // allowed.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(errno: i32) -> WatchError {
        refused("a thread", io::Error::from_raw_os_error(errno))
    }

    /// What this thread blocks.
    fn mask() -> Vec<i32> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: a null new set only reads; the other is written before it is read.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr());
            (1..=64)
                .filter(|signal| libc::sigismember(set.as_ptr(), *signal) == 1)
                .collect()
        }
    }

    #[test]
    fn the_new_thread_blocks_every_signal_and_its_maker_what_it_blocked() {
        let before = mask();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = spawn("quiet", "a test's thread", move || {
            tell.send(mask()).unwrap()
        });
        assert_eq!(mask(), before);
        let quiet = told.recv().unwrap();
        // KILL and STOP can't be blocked, nor what the C library keeps to itself.
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGALRM, libc::SIGUSR1] {
            assert!(quiet.contains(&signal), "{signal}");
        }
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn a_thread_that_is_forbidden_is_unsupported_and_one_too_many_a_limit() {
        for forbidden in [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::EINVAL] {
            let error = kind(forbidden);
            assert!(matches!(error, WatchError::Unsupported { .. }), "{error}");
        }
        let strange = kind(libc::EIO);
        assert!(matches!(strange, WatchError::Os { .. }), "{strange}");
        for short in [libc::EAGAIN, libc::ENOMEM] {
            let error = kind(short);
            assert!(matches!(error, WatchError::ResourceLimit { .. }), "{error}");
        }
    }
}
