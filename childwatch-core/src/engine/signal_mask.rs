//! [`SignalMask`]: which signals a thread blocks.

#![expect(
    unsafe_code,
    reason = "`pthread_sigmask`, `sigpending`; in a test, a signal that is pending"
)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// The signals that the kernel raises in a thread for what the thread itself does.
///
/// If a thread blocks one of them and then causes it, the kernel kills the process,
/// whatever handler is installed.
pub const SYNCHRONOUS_SIGNALS: [i32; 6] = [
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
    /// Returns the mask of the calling thread.
    pub(crate) fn current() -> io::Result<Self> {
        change(libc::SIG_BLOCK, None)
    }

    /// Blocks every signal on the calling thread, except those of the
    /// [synchronous](SYNCHRONOUS_SIGNALS) signals that the thread does not block already.
    /// Returns the former mask.
    ///
    /// The kernel never refuses this. A sandbox may. The call is the same as that of
    /// [`set`](Self::set), so a sandbox that allows the blocking also allows to restore the mask.
    pub(crate) fn block_asynchronous() -> io::Result<SignalMask> {
        let before = SignalMask::current()?;
        let mut all = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set, and sigdelset changes a set that is
        // initialised.
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for signal in SYNCHRONOUS_SIGNALS {
                if !before.blocks(signal) {
                    libc::sigdelset(all.as_mut_ptr(), signal);
                }
            }
            all.assume_init()
        };
        SignalMask(all).set()
    }

    /// Returns `true` if one of the [synchronous](SYNCHRONOUS_SIGNALS) signals is blocked.
    pub(crate) fn blocks_synchronous(&self) -> bool {
        SYNCHRONOUS_SIGNALS
            .into_iter()
            .any(|signal| self.blocks(signal))
    }

    pub(crate) fn blocks(&self, signal: libc::c_int) -> bool {
        // SAFETY: the set is initialised.
        unsafe { libc::sigismember(&raw const self.0, signal) == 1 }
    }

    /// Returns the mask that blocks this signal too.
    pub(crate) fn with(mut self, signal: libc::c_int) -> Self {
        // SAFETY: the set is initialised.
        unsafe { libc::sigaddset(&raw mut self.0, signal) };
        self
    }

    /// Unblocks the [synchronous](SYNCHRONOUS_SIGNALS) signals on the calling thread. Returns the
    /// former mask.
    pub(crate) fn unblock_synchronous() -> io::Result<SignalMask> {
        let mut synchronous = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set, and sigaddset changes a set that is
        // initialised.
        let synchronous = unsafe {
            libc::sigemptyset(synchronous.as_mut_ptr());
            for signal in SYNCHRONOUS_SIGNALS {
                libc::sigaddset(synchronous.as_mut_ptr(), signal);
            }
            synchronous.assume_init()
        };
        change(libc::SIG_UNBLOCK, Some(&synchronous))
    }

    /// Gives the calling thread this mask. Returns the former mask.
    pub(crate) fn set(&self) -> io::Result<SignalMask> {
        change(libc::SIG_SETMASK, Some(&self.0))
    }
}

/// Returns `true` if a signal that the calling thread blocks is pending, for the process or for this
/// thread. If a sandbox refuses the question, returns `false`.
///
/// In a model all threads are one thread of the system's, so no signal is pending.
pub(crate) fn is_pending(signal: libc::c_int) -> bool {
    // A sandbox may answer that it has succeeded, and write nothing.
    let mut pending = MaybeUninit::zeroed();
    // SAFETY: all zeros is a valid set, and sigpending may write another.
    !cfg!(childwatch_loom)
        && unsafe {
            libc::sigpending(pending.as_mut_ptr()) == 0
                && libc::sigismember(pending.as_ptr(), signal) == 1
        }
}

/// Changes the mask of the calling thread, if there is something to change. Returns the
/// former mask.
///
/// In a model all threads are one thread of the system's, so the mask is only read.
fn change(how: libc::c_int, signals: Option<&libc::sigset_t>) -> io::Result<SignalMask> {
    let signals = signals
        .filter(|_| !cfg!(childwatch_loom))
        .map_or(ptr::null(), ptr::from_ref);
    // A sandbox may answer that it has succeeded, and write nothing.
    let mut before = MaybeUninit::zeroed();
    // SAFETY: pthread_sigmask reads the one set, if that is not null, and writes the
    // other. The one is initialised.
    let refused = unsafe { libc::pthread_sigmask(how, signals, before.as_mut_ptr()) };
    if refused != 0 {
        return Err(io::Error::from_raw_os_error(refused));
    }
    // SAFETY: all zeros is a valid set, and pthread_sigmask may have written another.
    Ok(SignalMask(unsafe { before.assume_init() }))
}

#[cfg(test)]
impl SignalMask {
    /// The numbers of the signals that are blocked.
    pub(crate) fn blocked(&self) -> Vec<libc::c_int> {
        (1..=64).filter(|signal| self.blocks(*signal)).collect()
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
        change(libc::SIG_BLOCK, Some(&one)).unwrap()
    }

    /// Raises a signal on the calling thread. Its action must be harmless.
    pub(crate) fn raise(signal: libc::c_int) {
        // SAFETY: takes a plain value.
        unsafe { libc::raise(signal) };
    }

    /// Runs `body` while `signal` is blocked and pending on the calling thread. Returns `true` if
    /// the signal is still pending after that.
    pub(crate) fn stays_pending(signal: libc::c_int, body: impl FnOnce()) -> bool {
        let mask = Self::block(signal);
        // The kernel keeps a blocked signal, also if it is ignored. If the thread lets the signal
        // through for a moment, the signal is gone, and harms nothing.
        //
        // SAFETY: both calls take plain values.
        let action = unsafe {
            let action = libc::signal(signal, libc::SIG_IGN);
            libc::raise(signal);
            action
        };
        body();
        let is_pending = Self::take(signal);
        mask.set().unwrap();
        // SAFETY: the action is the one that was found.
        unsafe { libc::signal(signal, action) };
        is_pending
    }

    /// Takes a signal that is blocked and pending on the calling thread. Returns `false` if there is none.
    pub(crate) fn take(signal: libc::c_int) -> bool {
        let at_once = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut one = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set, and sigaddset changes a set that is
        // initialised. All arguments live across the calls, and a null siginfo is allowed.
        let taken = unsafe {
            libc::sigemptyset(one.as_mut_ptr());
            libc::sigaddset(one.as_mut_ptr(), signal);
            libc::sigtimedwait(one.as_ptr(), ptr::null_mut(), &raw const at_once)
        };
        taken == signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::refusing::{on_a_thread_in_pretence, on_a_thread_without};

    /// Otherwise each callback in a sandbox would be late.
    #[test]
    fn where_the_question_is_refused_no_signal_is_pending() {
        // No other test has this signal.
        let is_pending_where_it_is = || {
            let mut is_found = None;
            SignalMask::stays_pending(libc::SIGPWR, || is_found = Some(is_pending(libc::SIGPWR)));
            is_found
        };
        assert_eq!(is_pending_where_it_is(), Some(true));
        let refused = on_a_thread_without(libc::SYS_rt_sigpending, is_pending_where_it_is);
        if let Some(refused) = refused {
            assert_eq!(refused, Some(false));
        }
    }

    /// What the kernel has not written must not be read.
    #[test]
    fn where_the_question_is_answered_and_nothing_written_no_signal_is_pending_or_blocked() {
        let answers = || {
            let _ = fill_the_stack();
            let pending = (1..=64).any(is_pending);
            let _ = fill_the_stack();
            (pending, SignalMask::current().unwrap().blocked())
        };
        let pending = on_a_thread_in_pretence(libc::SYS_rt_sigpending, answers);
        assert!(pending.is_none_or(|(pending, _)| !pending));
        let mask = on_a_thread_in_pretence(libc::SYS_rt_sigprocmask, answers);
        assert!(mask.is_none_or(|(_, blocked)| blocked.is_empty()));
    }

    /// So that memory that nobody writes would be found.
    #[inline(never)]
    fn fill_the_stack() -> u8 {
        let bytes = std::hint::black_box([0xff_u8; 16384]);
        bytes[usize::from(bytes[0]) % bytes.len()]
    }
}
