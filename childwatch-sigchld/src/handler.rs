//! [`Handler`]: the part of the process that hears `SIGCHLD`.
//!
//! signal-hook installs the real handler, chains to the one it found, and runs each
//! watcher's action. It leaves a few flags of the disposition to be wished for, so
//! they are read back and mended: see [`missing_flags`].

#![expect(
    unsafe_code,
    reason = "`sigaction`, the signal's siginfo, signal-hook's registration"
)]

use std::io;
use std::mem;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use childwatch_core::exit_status;
use signal_hook::SigId;
use signal_hook::consts::SIGCHLD;

use crate::bell::Bell;
use crate::hints::{Hint, Hints};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What the handler leaves for the watcher.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) hints: Hints,
    /// Counts signals.
    pub(crate) generation: AtomicU32,
    /// Whether there is anything to listen for: without children watched, a signal
    /// costs no more than this look.
    pub(crate) is_listening: AtomicBool,
    pub(crate) bell: Bell,
}

impl Heard {
    pub(crate) fn signal(&self, pid: i32, code: i32, status: i32) {
        use std::os::unix::process::ExitStatusExt;
        if !self.is_listening.load(Ordering::SeqCst) {
            return;
        }
        let generation = self
            .generation
            .fetch_add(1, Ordering::SeqCst)
            .wrapping_add(1);
        // A stop or a signal sent by hand may have swallowed an exit's signal: it is
        // no hint, but begins a generation like any other.
        if let Some(status) = exit_status(code, status) {
            self.hints.push(Hint {
                pid,
                status: status.into_raw(),
                generation,
            });
        }
        self.bell.ring();
    }
}

/// A watcher's share in the handler; given back when dropped. The handler itself
/// stays installed.
#[derive(Debug)]
pub(crate) struct Handler {
    action: SigId,
    /// The address of what was installed.
    installed: libc::sighandler_t,
}

/// The address of the handler that the first watcher found installed by signal-hook.
/// Held while the disposition is read, changed and read back, so that two watchers
/// don't undo each other's; another library may still come between.
static INSTALLED: Mutex<Option<libc::sighandler_t>> = Mutex::new(None);

impl Handler {
    pub(crate) fn install(heard: Arc<Heard>) -> io::Result<Self> {
        let mut known = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        let before = disposition()?;
        // SAFETY: the action makes atomic operations and the system call futex:
        // nothing that allocates, locks, panics, or touches errno.
        let action = unsafe {
            signal_hook_registry::register_sigaction(SIGCHLD, move |info| {
                // SAFETY: these fields may be read of any siginfo_t that came with
                // SIGCHLD; their meaning is judged by si_code.
                let (pid, status) = (info.si_pid(), info.si_status());
                heard.signal(pid, info.si_code, status);
            })
        }?;
        if let Some(installed) = *known {
            return Ok(Handler { action, installed });
        }
        match disposition().and_then(|now| mend(&before, now)) {
            Ok(installed) => {
                *known = Some(installed);
                Ok(Handler { action, installed })
            }
            Err(error) => {
                signal_hook::low_level::unregister(action);
                Err(error)
            }
        }
    }

    /// Whether another handler stands where ours was installed. It may call ours, or
    /// not.
    pub(crate) fn is_replaced(&self) -> bool {
        disposition().is_ok_and(|now| now.sa_sigaction != self.installed)
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.action);
    }
}

/// Adds the flags that are missing, and gives the handler's address.
fn mend(before: &libc::sigaction, now: libc::sigaction) -> io::Result<libc::sighandler_t> {
    let mut mended = now;
    mended.sa_flags |= missing_flags(before);
    // SAFETY: the action is the one just read, with more flags; it lives across the
    // call, and a null old action is allowed.
    if unsafe { libc::sigaction(SIGCHLD, &raw const mended, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(mended.sa_sigaction)
}

/// The flags that signal-hook does not set (1.4), and should over this disposition:
///
/// - `SA_ONSTACK`: without it a signal on a thread with a small stack and an alternate
///   one, as Go's and some coroutines' are, overruns the small one.
/// - `SA_NOCLDSTOP`, unless the handler found hears of stops: each stop and continue of
///   a child would be a signal for nothing.
/// - `SA_NOCLDWAIT` where the kernel reaped children by itself: installing a handler
///   over `SIG_IGN` would leave zombies that nobody waits for.
fn missing_flags(before: &libc::sigaction) -> libc::c_int {
    let had_handler = ![libc::SIG_DFL, libc::SIG_IGN].contains(&before.sa_sigaction);
    let had = |flag| before.sa_flags & flag != 0;
    let mut flags = libc::SA_ONSTACK;
    if !had_handler || had(libc::SA_NOCLDSTOP) {
        flags |= libc::SA_NOCLDSTOP;
    }
    if before.sa_sigaction == libc::SIG_IGN || had(libc::SA_NOCLDWAIT) {
        flags |= libc::SA_NOCLDWAIT;
    }
    flags
}

/// What `SIGCHLD` does to this process now.
pub(crate) fn disposition() -> io::Result<libc::sigaction> {
    // SAFETY: a null new action only reads; the old one lives across the call, and all
    // zeros is a valid one.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        if libc::sigaction(SIGCHLD, ptr::null(), &raw mut action) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(action)
    }
}

/// Lets `SIGCHLD` through on this thread.
pub(crate) fn unblock_on_this_thread() {
    // SAFETY: the set is initialised by sigemptyset, and lives across the calls, which
    // can fail only for other arguments than these.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, SIGCHLD);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}

/// Whether `SIGCHLD` is blocked on this thread.
pub(crate) fn is_blocked_on_this_thread() -> bool {
    // SAFETY: a null new set only reads; sigismember reads what was written.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut set);
        libc::sigismember(&raw const set, SIGCHLD) == 1
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hints::Reader;

    fn heard() -> Heard {
        Heard {
            hints: Hints::new(),
            generation: AtomicU32::new(6),
            is_listening: AtomicBool::new(true),
            bell: Bell::default(),
        }
    }

    #[test]
    fn an_exits_signal_leaves_a_hint_begins_a_generation_and_rings() {
        let heard = heard();
        heard.signal(7, libc::CLD_EXITED, 3);
        let hint = heard.hints.pop(&mut Reader::default());
        let expected = Hint {
            pid: 7,
            status: 3 << 8,
            generation: 7,
        };
        assert_eq!(hint, Some(expected));
        assert_eq!(heard.generation.load(Ordering::SeqCst), 7);
        assert_eq!(heard.bell.rings(), 1);
    }

    #[test]
    fn another_signal_leaves_no_hint_but_may_have_swallowed_an_exits() {
        let heard = heard();
        heard.signal(7, libc::CLD_STOPPED, libc::SIGSTOP);
        assert_eq!(heard.hints.pop(&mut Reader::default()), None);
        assert_eq!(heard.generation.load(Ordering::SeqCst), 7);
        assert_eq!(heard.bell.rings(), 1);
    }

    #[test]
    fn a_signal_that_nobody_listens_for_passes_by() {
        let heard = heard();
        heard.is_listening.store(false, Ordering::SeqCst);
        heard.signal(7, libc::CLD_EXITED, 3);
        assert_eq!(heard.generation.load(Ordering::SeqCst), 6);
        assert_eq!(heard.bell.rings(), 0);
    }

    #[test]
    fn the_flags_over_a_disposition_keep_what_it_meant() {
        use libc::{SA_NOCLDSTOP, SA_NOCLDWAIT, SA_ONSTACK, SA_RESTART, SIG_DFL, SIG_IGN};
        const HANDLER: libc::sighandler_t = 0x1000;
        let over = |sa_sigaction, sa_flags| {
            // SAFETY: all zeros is a valid sigaction.
            let zeros: libc::sigaction = unsafe { mem::zeroed() };
            missing_flags(&libc::sigaction {
                sa_sigaction,
                sa_flags,
                ..zeros
            })
        };
        let no_handler = SA_ONSTACK | SA_NOCLDSTOP;
        assert_eq!(over(SIG_DFL, 0), no_handler);
        assert_eq!(over(SIG_DFL, SA_NOCLDWAIT), no_handler | SA_NOCLDWAIT);
        assert_eq!(over(SIG_IGN, 0), no_handler | SA_NOCLDWAIT);
        assert_eq!(over(HANDLER, SA_RESTART), SA_ONSTACK, "it hears of stops");
        assert_eq!(over(HANDLER, SA_NOCLDSTOP), no_handler);
        assert_eq!(over(HANDLER, SA_NOCLDWAIT), SA_ONSTACK | SA_NOCLDWAIT);
    }

    #[test]
    fn a_watchers_share_in_the_handler_goes_with_it_and_the_handler_stays() {
        let heard = Arc::new(heard());
        let first = Handler::install(Arc::clone(&heard)).unwrap();
        let second = Handler::install(Arc::clone(&heard)).unwrap();
        assert_eq!(first.installed, second.installed);
        assert!(!first.is_replaced());

        let ours = disposition().unwrap();
        let wished_for = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(ours.sa_flags & wished_for, wished_for);
        set(libc::sigaction {
            sa_sigaction: libc::SIG_DFL,
            ..ours
        });
        assert!(first.is_replaced());
        set(ours);
        assert!(!first.is_replaced());

        drop((first, second));
        assert_eq!(Arc::strong_count(&heard), 1);
        let left = disposition().unwrap().sa_sigaction;
        assert!(![libc::SIG_DFL, libc::SIG_IGN].contains(&left));
    }

    /// As the engine does on the watcher's thread.
    pub(crate) fn block_on_this_thread() {
        // SAFETY: as in `unblock_on_this_thread`.
        unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, SIGCHLD);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        }
    }

    fn set(action: libc::sigaction) {
        // SAFETY: the action is one that was read, or the default; it lives across the
        // call, and a null old action is allowed.
        let answer = unsafe { libc::sigaction(SIGCHLD, &raw const action, ptr::null_mut()) };
        assert_eq!(answer, 0);
    }

    #[test]
    fn a_thread_knows_whether_it_lets_the_signal_through() {
        std::thread::spawn(|| {
            block_on_this_thread();
            assert!(is_blocked_on_this_thread());
            unblock_on_this_thread();
            assert!(!is_blocked_on_this_thread());
        })
        .join()
        .unwrap();
    }
}
