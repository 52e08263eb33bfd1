//! System calls that seccomp traps: `SIGSYS`, and the handler that answers them.

#![expect(
    unsafe_code,
    reason = "`sigaction`, a mask, and the registers of the thread that made the call"
)]

use std::mem;
use std::ptr;

/// Has every trapped call of this process fail with `ENOSYS`, as sandboxes do that know no
/// better answer.
pub(crate) fn answer_trapped_calls() {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = answer;
    // SAFETY: the action lives across the call, and a null old one is allowed. The handler
    // is async-signal-safe: it writes a register.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut());
    }
}

/// Whether a handler can answer a trapped call on this architecture.
pub(crate) fn can_answer_trapped_calls() -> Result<(), String> {
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        Ok(())
    } else {
        Err("the suite does not know where a system call's answer is on this machine".to_owned())
    }
}

extern "C" fn answer(
    _signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO the context that it will restore.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let answer = i64::from(-libc::ENOSYS);
    #[cfg(target_arch = "x86_64")]
    {
        context.uc_mcontext.gregs[libc::REG_RAX as usize] = answer;
    }
    #[cfg(target_arch = "aarch64")]
    {
        context.uc_mcontext.regs[0] = answer as u64;
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = (context, answer);
}

/// Blocks `SIGSYS` on this thread: a trapped call then ends the process.
pub(crate) fn block_trapped_calls() {
    // SAFETY: the set is initialised by sigemptyset, and lives across the calls.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGSYS);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
    }
}
