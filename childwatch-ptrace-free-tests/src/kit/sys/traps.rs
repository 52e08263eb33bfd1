//! System calls that seccomp traps: `SIGSYS`, and the handler that answers them.

#![expect(
    unsafe_code,
    reason = "`sigaction`, a mask, the registers of the thread that made the call, and `openat2`"
)]

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use registers::{give, trapped};

mod registers;

/// Has every trapped call of this process fail with `ENOSYS`, as sandboxes do that know no
/// better answer.
pub(crate) fn answer_trapped_calls() {
    install(answer);
}

/// Has a handler make each trapped `openat` by another call, as a broker does, and answer
/// `ENOSYS` to other calls.
pub(crate) fn serve_trapped_calls() {
    install(serve);
}

fn install(handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void)) {
    // SAFETY: the action lives across the call, and a null old one is allowed. The handlers
    // are async-signal-safe: they make system calls, use atomics and write a register.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut());
    }
}

/// Whether a handler can answer a trapped call on this architecture.
pub(crate) fn can_answer_trapped_calls() -> Result<(), String> {
    if registers::ARE_KNOWN {
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
    give(context, libc::c_long::from(-libc::ENOSYS));
}

extern "C" fn serve(_signal: libc::c_int, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO the context that it will restore.
    // The trapped call is made in its caller's name, with what the caller has given to it.
    // The thread's errno is put back.
    unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        let before = *libc::__errno_location();
        if libc::gettid() == COUNTED_THREAD.load(Ordering::SeqCst) {
            COUNTED_CALLS.fetch_add(1, Ordering::SeqCst);
        }
        let (call, arguments) = trapped(context);
        let answer = if call == libc::SYS_openat {
            open(arguments)
        } else {
            libc::c_long::from(-libc::ENOSYS)
        };
        give(context, answer);
        *libc::__errno_location() = before;
    }
}

/// The thread whose trapped calls are counted, and how many there have been.
static COUNTED_THREAD: AtomicI32 = AtomicI32::new(0);
static COUNTED_CALLS: AtomicUsize = AtomicUsize::new(0);

/// Runs `body`, and counts the calls of this thread that are trapped meanwhile.
pub(crate) fn count_trapped_calls<R>(body: impl FnOnce() -> R) -> (R, usize) {
    COUNTED_CALLS.store(0, Ordering::SeqCst);
    COUNTED_THREAD.store(super::threads::thread_id(), Ordering::SeqCst);
    let returned = body();
    COUNTED_THREAD.store(0, Ordering::SeqCst);
    (returned, COUNTED_CALLS.load(Ordering::SeqCst))
}

/// Opens a file as `openat` with these arguments would.
///
/// # Safety
///
/// The second argument is a path, as `openat` wants it.
unsafe fn open([directory, path, flags, mode]: [libc::c_long; 4]) -> libc::c_long {
    // O_CREAT and O_TMPFILE take the mode, which openat2 wants to be zero otherwise.
    let creates =
        flags & libc::c_long::from(libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) != 0;
    let mode_of_new = if creates { mode as u32 & 0o7777 } else { 0 };
    let how = [u64::from(flags as u32), u64::from(mode_of_new), 0];
    // SAFETY: `how` is a `struct open_how`, and lives across the call.
    let opened = unsafe {
        let size = size_of_val(&how);
        libc::syscall(libc::SYS_openat2, directory, path, how.as_ptr(), size)
    };
    if opened != -1 {
        return opened;
    }
    // SAFETY: the thread's own errno.
    let error = unsafe { *libc::__errno_location() };
    // Before Linux 5.6, and in some containers. The suite names files by their whole paths.
    #[cfg(target_arch = "x86_64")]
    if matches!(error, libc::ENOSYS | libc::EPERM) {
        // SAFETY: the caller's promise.
        return match unsafe { libc::syscall(libc::SYS_open, path, flags, mode) } {
            // SAFETY: as above.
            -1 => unsafe { libc::c_long::from(-*libc::__errno_location()) },
            opened => opened,
        };
    }
    libc::c_long::from(-error)
}

/// Blocks `SIGSYS` on this thread: a trapped call then ends the process.
pub fn block_trapped_calls() {
    // SAFETY: the set is initialised by sigemptyset, and lives across the calls.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGSYS);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
    }
}
