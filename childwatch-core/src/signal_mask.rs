//! [`SignalMask`]: which signals a thread blocks.

#![expect(unsafe_code, reason = "`pthread_sigmask`")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// The signals that the kernel raises in a thread for what the thread itself does.
///
/// If a thread blocks one of them and then causes it, the kernel kills the process,
/// whatever handler is installed.
pub(crate) const SYNCHRONOUS: [libc::c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// The mask of one thread at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignalMask(libc::sigset_t);

impl SignalMask {
    /// Blocks every signal on the calling thread, except those of the
    /// [synchronous](SYNCHRONOUS) signals that the thread does not block already.
    /// Returns the former mask.
    ///
    /// The kernel never refuses this. A sandbox may.
    pub(crate) fn block_asynchronous() -> io::Result<SignalMask> {
        let mut all = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set, and sigdelset changes a set that is
        // initialised.
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for signal in SYNCHRONOUS {
                libc::sigdelset(all.as_mut_ptr(), signal);
            }
            all.assume_init()
        };
        change(libc::SIG_BLOCK, &all)
    }

    /// Returns `true` if one of the [synchronous](SYNCHRONOUS) signals is blocked.
    pub(crate) fn blocks_synchronous(&self) -> bool {
        // SAFETY: the set is initialised.
        let is_blocked = |signal| unsafe { libc::sigismember(&raw const self.0, signal) } == 1;
        SYNCHRONOUS.into_iter().any(is_blocked)
    }

    /// Unblocks the [synchronous](SYNCHRONOUS) signals on the calling thread. Returns the
    /// former mask.
    pub(crate) fn unblock_synchronous() -> io::Result<SignalMask> {
        let mut synchronous = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set, and sigaddset changes a set that is
        // initialised.
        let synchronous = unsafe {
            libc::sigemptyset(synchronous.as_mut_ptr());
            for signal in SYNCHRONOUS {
                libc::sigaddset(synchronous.as_mut_ptr(), signal);
            }
            synchronous.assume_init()
        };
        change(libc::SIG_UNBLOCK, &synchronous)
    }

    /// Gives the calling thread this mask. Returns the former mask.
    pub(crate) fn set(&self) -> io::Result<SignalMask> {
        change(libc::SIG_SETMASK, &self.0)
    }
}

/// In a model all threads are one thread of the system's, so the mask is left alone.
#[cfg(loom)]
fn change(_how: libc::c_int, signals: &libc::sigset_t) -> io::Result<SignalMask> {
    Ok(SignalMask(*signals))
}

#[cfg(not(loom))]
fn change(how: libc::c_int, signals: &libc::sigset_t) -> io::Result<SignalMask> {
    let mut before = MaybeUninit::uninit();
    // SAFETY: pthread_sigmask reads the one set, which is initialised, and writes the
    // other.
    let refused =
        unsafe { libc::pthread_sigmask(how, ptr::from_ref(signals), before.as_mut_ptr()) };
    if refused != 0 {
        return Err(io::Error::from_raw_os_error(refused));
    }
    // SAFETY: pthread_sigmask has succeeded, so it has written the former mask.
    Ok(SignalMask(unsafe { before.assume_init() }))
}

#[cfg(test)]
impl SignalMask {
    /// The mask of the calling thread.
    pub(crate) fn current() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: with a null new set the call only writes the old one.
        let refused =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr()) };
        assert_eq!(refused, 0);
        // SAFETY: the call has succeeded, so it has written the set.
        SignalMask(unsafe { set.assume_init() })
    }

    /// The numbers of the signals that are blocked.
    pub(crate) fn blocked(&self) -> Vec<libc::c_int> {
        (1..=64)
            // SAFETY: the set is initialised.
            .filter(|signal| unsafe { libc::sigismember(&raw const self.0, *signal) } == 1)
            .collect()
    }

    /// Blocks one more signal on the calling thread. Returns the former mask.
    pub(crate) fn block(signal: libc::c_int) -> Self {
        let mut one = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set, and sigaddset changes a set that is
        // initialised.
        let one = unsafe {
            libc::sigemptyset(one.as_mut_ptr());
            libc::sigaddset(one.as_mut_ptr(), signal);
            one.assume_init()
        };
        change(libc::SIG_BLOCK, &one).unwrap()
    }
}
