//! [`disposition`]: what `SIGCHLD` does to this process, and [`correct`].
//!
//! signal-hook installs its handler with `SA_RESTART`, `SA_SIGINFO` and an empty mask. We restore
//! the flags and the mask that were there before: see [`merged`].

#![expect(unsafe_code, reason = "`sigaction`, `atexit`; in tests, copies")]

use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use childwatch_core::source::SYNCHRONOUS_SIGNALS;
use signal_hook::consts::SIGCHLD;

/// The handler that was installed over none, or 0. It has got `SA_ONSTACK`.
static OVER_NONE: AtomicUsize = AtomicUsize::new(0);

/// Gives signal-hook's handler, which has just been installed, the flags and the mask that were there
/// before, as [`merged`] says.
///
/// Another thread may have installed its own handler since. That stays as it is. (If another thread
/// has installed one between the read of `before` and signal-hook's, ours calls it, with the flags for
/// no handler.)
///
/// # Errors
///
/// Any error of `sigaction`.
pub(super) fn correct(before: &libc::sigaction) -> io::Result<()> {
    let now = disposition()?;
    // signal-hook's may have been there before, for another part of the program.
    let is_signal_hooks = is_as_signal_hook_installs(&now)
        || has_handler(&now) && now.sa_sigaction == before.sa_sigaction;
    if is_signal_hooks {
        correct_found(before, &now)
    } else {
        Ok(())
    }
}

/// As [`correct`], if `now` was found.
fn correct_found(before: &libc::sigaction, now: &libc::sigaction) -> io::Result<()> {
    let is_over_none = !has_handler(before);
    if set_instead_of(now, &merged(before, now))? && is_over_none {
        leave_at_exit(now);
    }
    Ok(())
}

/// Sets an action in the place of `found`. If another thread has set a handler meanwhile, that stays,
/// and the answer is `false`.
fn set_instead_of(found: &libc::sigaction, action: &libc::sigaction) -> io::Result<bool> {
    let replaced = replace_disposition(action)?;
    let is_well = !has_handler(&replaced) || replaced.sa_sigaction == found.sa_sigaction;
    if !is_well {
        set_disposition(&replaced)?;
    }
    Ok(is_well)
}

/// Returns `true` if the flags and the mask are those with which signal-hook installs its handler. Its
/// address is not public.
fn is_as_signal_hook_installs(action: &libc::sigaction) -> bool {
    /// The C library's part, which some architectures need (`<asm/signal.h>`).
    const SA_RESTORER: libc::c_int = 0x0400_0000;
    let flags = action.sa_flags & !SA_RESTORER;
    // SAFETY: the set is initialised.
    let blocks = |signal| unsafe { libc::sigismember(&raw const action.sa_mask, signal) == 1 };
    has_handler(action) && flags == libc::SA_RESTART | libc::SA_SIGINFO && !(1..=64).any(blocks)
}

/// Installs `handler` unless the process has one. It gets the flags and the mask that [`merged`]
/// gives it. Returns `true` if it has been installed.
///
/// # Errors
///
/// Any error of `sigaction`.
pub(super) fn install_over_none(handler: Handler) -> io::Result<bool> {
    let before = disposition()?;
    if has_handler(&before) {
        return Ok(false);
    }
    install_over(&before, handler)
}

/// As [`install_over_none`], if `before` was found.
fn install_over(before: &libc::sigaction, handler: Handler) -> io::Result<bool> {
    // SAFETY: all zeros is a valid sigaction.
    let mut ours: libc::sigaction = unsafe { mem::zeroed() };
    ours.sa_sigaction = handler as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO;
    let merged = merged(before, &ours);
    let is_installed = set_instead_of(&merged, &merged)?;
    if is_installed {
        leave_at_exit(&merged);
    }
    Ok(is_installed)
}

/// A handler with `SA_SIGINFO`.
pub(super) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn leave_at_exit(handler: &libc::sigaction) {
    OVER_NONE.store(handler.sa_sigaction, Ordering::SeqCst);
    // SAFETY: the function may run at any time, also twice. If it cannot be registered,
    // nothing else suffers.
    unsafe { libc::atexit(leave_alternate_stacks) };
}

/// Takes `SA_ONSTACK` back when the program exits on another thread than its first.
///
/// If that thread calls `std::process::exit`, std unmaps the alternate stack of the first
/// thread and leaves it in use (releases of Rust up to 1.95 at least). A `SIGCHLD` on the
/// first thread would then end the process by SIGSEGV, as long as the exit handlers run.
/// std has nothing to hook into before that, so some microseconds are left.
extern "C" fn leave_alternate_stacks() {
    // SAFETY: both calls take nothing. The first thread has the number of the process.
    let is_first = unsafe { libc::gettid() == libc::getpid() };
    if !is_first {
        take_flag_back();
    }
}

/// Takes `SA_ONSTACK` back, unless the program has installed another handler since.
fn take_flag_back() {
    let Ok(found) = disposition() else {
        return;
    };
    if found.sa_sigaction == OVER_NONE.load(Ordering::SeqCst) {
        let mut without = found;
        without.sa_flags &= !libc::SA_ONSTACK;
        // Only a sandbox refuses this. Then everything stays as it is.
        let _ = set_instead_of(&found, &without);
    }
}

/// Returns `true` if this is the handler that was installed over none. It runs nothing of the
/// program's, unless the program has given signal-hook an action.
pub(super) fn is_installed_over_none(action: &libc::sigaction) -> bool {
    has_handler(action) && action.sa_sigaction == OVER_NONE.load(Ordering::SeqCst)
}

pub(super) fn has_handler(action: &libc::sigaction) -> bool {
    ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction)
}

/// The disposition to set: signal-hook's handler, with the flags and the mask of the
/// handler before, if there was one.
///
/// - If a handler was found, its flags and mask stay. The program may depend on them: on a `read`
///   that `SIGCHLD` interrupts, or on a signal that is blocked meanwhile. `SA_SIGINFO` is added.
///   `SA_RESETHAND` is removed, because with it only the first exit would call the handler.
/// - If no handler was found, nothing was interrupted before, so `SA_RESTART` is set.
///   `SA_ONSTACK` is set too: without it a signal on a thread with a small stack and an
///   alternate one, as Go's and some coroutines' are, overruns the small one.
///   All signals are blocked meanwhile, except the [synchronous](SYNCHRONOUS_SIGNALS) ones. Otherwise a
///   handler that interrupts ours would run on the alternate stack too, without `SA_ONSTACK`. std's
///   alternate stack has 8 KiB, and with AVX-512 a signal's frame has 3.3 KiB: two signals
///   that are pending together with `SIGCHLD` would end the program.
/// - If the kernel reaped children by itself (`SIG_IGN` or `SA_NOCLDWAIT`), `SA_NOCLDWAIT` is set,
///   so that it still does. Otherwise a handler in the place of `SIG_IGN` would leave zombies.
/// - The C library's [own signals](block_internal_signals) are blocked too, in both cases.
/// - `SA_NOCLDSTOP` is set if it was set. It decides whether a program with a `signalfd` learns of
///   stopped children, also while the disposition is the default one.
fn merged(before: &libc::sigaction, now: &libc::sigaction) -> libc::sigaction {
    let mut merged = *now;
    if has_handler(before) {
        merged.sa_flags = before.sa_flags & !libc::SA_RESETHAND | libc::SA_SIGINFO;
        merged.sa_mask = before.sa_mask;
    } else {
        let kept = before.sa_flags & (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT);
        merged.sa_flags |= kept | libc::SA_RESTART | libc::SA_ONSTACK;
        merged.sa_mask = asynchronous_signals();
    }
    block_internal_signals(&mut merged.sa_mask);
    if before.sa_sigaction == libc::SIG_IGN {
        merged.sa_flags |= libc::SA_NOCLDWAIT;
    }
    merged
}

/// The signals between the standard ones and `SIGRTMIN`, which the C library keeps to itself. Its
/// functions for sets leave them out.
///
/// By one of them `pthread_cancel` ends a thread. If it interrupted our handler on a thread that is
/// blocked in a call such as `read`, the C library would unwind this thread through the handler.
/// glibc then ends the program, because a Rust function for C cannot be unwound. With musl the
/// handler would never end its work. While the signal is blocked, the thread ends behind the handler.
fn block_internal_signals(set: &mut libc::sigset_t) {
    const BITS: usize = libc::c_ulong::BITS as usize;
    /// The bit of signal 32, which follows the last standard one.
    const FIRST: usize = 31;
    let end = (libc::SIGRTMIN() - 1).unsigned_abs() as usize;
    let words = ptr::from_mut(set).cast::<libc::c_ulong>();
    for bit in FIRST..end {
        // SAFETY: a set is an array of such words, with a bit for each signal, in the layout of the
        // kernel: glibc and musl pass it on as it is. It has more bits than there are signals.
        unsafe { *words.add(bit / BITS) |= 1 << (bit % BITS) };
    }
}

/// Every signal except the [synchronous](SYNCHRONOUS_SIGNALS) ones.
fn asynchronous_signals() -> libc::sigset_t {
    // SAFETY: all zeros is a valid set. sigfillset initialises it, and sigdelset changes a set that
    // is initialised.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut set);
        for signal in SYNCHRONOUS_SIGNALS {
            libc::sigdelset(&raw mut set, signal);
        }
        set
    }
}

fn set_disposition(action: &libc::sigaction) -> io::Result<()> {
    replace_disposition(action).map(drop)
}

/// Returns what was replaced.
fn replace_disposition(action: &libc::sigaction) -> io::Result<libc::sigaction> {
    // SAFETY: the action is one that was read, with other flags and mask, or a [`Handler`], so its
    // handler is a function of the right type or a constant. Both actions live across the call, and
    // all zeros is a valid one.
    unsafe {
        let mut replaced: libc::sigaction = mem::zeroed();
        if libc::sigaction(SIGCHLD, action, &raw mut replaced) == 0 {
            Ok(replaced)
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

/// Reads what `SIGCHLD` does to this process now.
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

#[cfg(test)]
mod tests {
    use rustix::process::WaitOptions;

    use super::*;

    fn action(sa_sigaction: libc::sighandler_t, sa_flags: libc::c_int) -> libc::sigaction {
        // SAFETY: all zeros is a valid sigaction.
        let zeros: libc::sigaction = unsafe { mem::zeroed() };
        libc::sigaction {
            sa_sigaction,
            sa_flags,
            ..zeros
        }
    }

    #[test]
    fn the_flags_keep_what_the_disposition_before_meant() {
        use libc::{
            SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART,
            SA_SIGINFO, SIG_DFL, SIG_IGN,
        };
        const HANDLER: libc::sighandler_t = 0x1000;
        const HOOKS: libc::sighandler_t = 0x2000;
        let now = action(HOOKS, SA_RESTART | SA_SIGINFO);
        let over = |handler, flags| {
            let merged = merged(&action(handler, flags), &now);
            assert_eq!(merged.sa_sigaction, HOOKS);
            merged.sa_flags
        };
        let plain = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
        assert_eq!(over(SIG_DFL, 0), plain);
        assert_eq!(over(SIG_DFL, SA_NOCLDSTOP), plain | SA_NOCLDSTOP);
        assert_eq!(over(SIG_DFL, SA_NOCLDWAIT), plain | SA_NOCLDWAIT);
        assert_eq!(over(SIG_IGN, 0), plain | SA_NOCLDWAIT);
        assert_eq!(over(HANDLER, 0), SA_SIGINFO, "it interrupts");
        assert_eq!(over(HANDLER, SA_RESTART), SA_SIGINFO | SA_RESTART);
        assert_eq!(over(HANDLER, SA_RESETHAND), SA_SIGINFO, "it is called on");
        let all = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_NODEFER | SA_ONSTACK;
        assert_eq!(over(HANDLER, all), SA_SIGINFO | all);
    }

    #[test]
    fn the_mask_of_the_handler_before_is_kept() {
        let mut before = action(0x1000, 0);
        // SAFETY: the sets live across the calls, and all zeros is a valid set.
        unsafe { libc::sigaddset(&raw mut before.sa_mask, libc::SIGUSR1) };
        let merged = merged(&before, &action(0x2000, 0));
        // SAFETY: as above.
        let is_member = |signal| unsafe { libc::sigismember(&raw const merged.sa_mask, signal) };
        assert_eq!(is_member(libc::SIGUSR1), 1);
        assert_eq!(is_member(libc::SIGUSR2), 0);
    }

    /// A handler that interrupted ours would run on an alternate stack.
    #[test]
    fn over_the_default_no_other_handler_interrupts_ours() {
        for before in [libc::SIG_DFL, libc::SIG_IGN] {
            let merged = merged(&action(before, 0), &action(0x2000, 0));
            let blocks =
                // SAFETY: the set lives across the call, and was initialised by sigfillset.
                |signal| unsafe { libc::sigismember(&raw const merged.sa_mask, signal) == 1 };
            for signal in (1..=31).chain([libc::SIGRTMIN(), libc::SIGRTMAX()]) {
                assert_eq!(
                    blocks(signal),
                    !SYNCHRONOUS_SIGNALS.contains(&signal),
                    "{signal}"
                );
            }
        }
    }

    /// `pthread_cancel` would unwind the thread through our handler.
    #[test]
    fn no_signal_of_the_c_librarys_own_interrupts_our_handler() {
        for before in [libc::SIG_DFL, libc::SIG_IGN, 0x1000] {
            let merged = merged(&action(before, 0), &action(0x2000, 0));
            for signal in 32..libc::SIGRTMIN() {
                // SAFETY: the set lives across the call, and all zeros is a valid set.
                let blocks = unsafe { libc::sigismember(&raw const merged.sa_mask, signal) };
                assert_eq!(blocks, 1, "{signal}");
            }
        }
    }

    /// Some runtimes have small stacks, on which no handler may run, up to the very end.
    #[test]
    fn at_the_end_a_handler_of_the_programs_stays_on_its_stack() {
        assert!(in_a_copy(|| {
            let is_set = set_disposition(&action(programs(), libc::SA_ONSTACK)).is_ok();
            take_flag_back();
            is_set && has_flag(libc::SA_ONSTACK)
        }));
    }

    /// There the flag is the program's.
    #[test]
    fn at_the_end_a_handler_that_was_installed_over_the_programs_keeps_its_flag() {
        assert!(in_a_copy(|| {
            let before = action(programs(), libc::SA_ONSTACK);
            let is_set = set_disposition(&before).is_ok() && correct(&before).is_ok();
            take_flag_back();
            is_set && has_flag(libc::SA_ONSTACK)
        }));
    }

    #[test]
    fn at_the_end_a_handler_that_was_installed_over_none_leaves_the_alternate_stacks() {
        for none in [libc::SIG_DFL, libc::SIG_IGN] {
            assert!(in_a_copy(|| {
                let is_set = set_disposition(&action(none, 0)).is_ok();
                let is_installed = matches!(install_over_none(nothing), Ok(true));
                let uses_them = has_flag(libc::SA_ONSTACK);
                let reaps = has_flag(libc::SA_NOCLDWAIT);
                take_flag_back();
                let leaves_them = !has_flag(libc::SA_ONSTACK);
                let is_well = is_set && is_installed && uses_them && leaves_them;
                is_well && reaps == (none == libc::SIG_IGN)
            }));
        }
    }

    /// The program may have removed its own handler, and then read the signal by other means.
    #[test]
    fn no_handler_is_none_that_was_installed_over_none() {
        assert!(in_a_copy(|| {
            // The default action has the same number.
            OVER_NONE.store(0, Ordering::SeqCst);
            let has_ours = is_installed_over_none(&action(libc::SIG_DFL, 0));
            !has_ours && !is_installed_over_none(&action(libc::SIG_IGN, 0))
        }));
    }

    #[test]
    fn a_handler_that_another_thread_installs_meanwhile_stays() {
        assert!(in_a_copy(|| {
            let is_set = set_disposition(&action(programs(), libc::SA_RESTART)).is_ok();
            // It was not there yet.
            let found_none = action(libc::SIG_DFL, 0);
            let is_left = matches!(install_over(&found_none, nothing), Ok(false));
            let stays = disposition().is_ok_and(|now| now.sa_sigaction == programs());
            is_set && is_left && stays && has_flag(libc::SA_RESTART)
        }));
    }

    /// The handler stays, with its flags.
    #[test]
    fn a_handler_that_another_thread_installs_over_signal_hooks_stays() {
        assert!(in_a_copy(|| {
            OVER_NONE.store(0, Ordering::SeqCst);
            let none = action(libc::SIG_DFL, 0);
            let hooks = action(0x2000, libc::SA_RESTART | libc::SA_SIGINFO);
            let before_the_look = set_disposition(&action(programs(), libc::SA_NOCLDSTOP)).is_ok()
                && correct(&none).is_ok()
                && is_the_programs(libc::SA_NOCLDSTOP);
            let after_the_look =
                correct_found(&none, &hooks).is_ok() && is_the_programs(libc::SA_NOCLDSTOP);
            before_the_look && after_the_look && OVER_NONE.load(Ordering::SeqCst) == 0
        }));
    }

    #[test]
    fn signal_hooks_handler_is_known_by_how_it_is_installed() {
        assert!(in_a_copy(|| {
            // Another test may have registered an action for SIGCHLD before.
            let signal = libc::SIGWINCH;
            let mut hooks = action(libc::SIG_DFL, 0);
            // SAFETY: the action does nothing. A null new one only reads; the old one lives across
            // the call.
            let is_read = unsafe {
                signal_hook_registry::register_sigaction(signal, |_| ()).is_ok()
                    && libc::sigaction(signal, ptr::null(), &raw mut hooks) == 0
            };
            is_read && is_as_signal_hook_installs(&hooks)
        }));
        assert!(!is_as_signal_hook_installs(&action(libc::SIG_DFL, 0)));
        let flags = libc::SA_RESTART | libc::SA_SIGINFO;
        assert!(is_as_signal_hook_installs(&action(0x2000, flags)));
        for others in [libc::SA_RESTART, flags | libc::SA_NOCLDSTOP] {
            assert!(!is_as_signal_hook_installs(&action(0x2000, others)));
        }
        let mut masked = action(0x2000, flags);
        // SAFETY: the set lives across the call, and all zeros is a valid set.
        unsafe { libc::sigaddset(&raw mut masked.sa_mask, libc::SIGUSR1) };
        assert!(!is_as_signal_hook_installs(&masked));
    }

    fn is_the_programs(flags: libc::c_int) -> bool {
        disposition().is_ok_and(|now| {
            // Without what the C library adds.
            now.sa_sigaction == programs() && now.sa_flags & 0xff == flags & 0xff
        })
    }

    extern "C" fn nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

    /// A handler of the program's.
    fn programs() -> libc::sighandler_t {
        extern "C" fn programs(_: libc::c_int) {}
        programs as extern "C" fn(libc::c_int) as libc::sighandler_t
    }

    fn has_flag(flag: libc::c_int) -> bool {
        disposition().is_ok_and(|now| now.sa_flags & flag != 0)
    }

    /// Returns what `is_well` returns in a forked copy, which has a disposition of its own.
    fn in_a_copy(is_well: impl FnOnce() -> bool) -> bool {
        // SAFETY: the copy makes system calls, and registers an exit handler, which glibc and musl
        // allow in a copy that `fork` has made.
        let copy = unsafe { libc::fork() };
        assert_ne!(copy, -1);
        if copy == 0 {
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(i32::from(!is_well())) }
        }
        let copy = rustix::process::Pid::from_raw(copy).unwrap();
        let ended = rustix::process::waitpid(Some(copy), WaitOptions::empty()).unwrap();
        ended.unwrap().1.exit_status() == Some(0)
    }
}
