//! A thread that the C library ends, as Rust's own threads never are.

#![expect(
    unsafe_code,
    reason = "`pthread_create`, `pthread_cancel`; `rt_sigprocmask` for the C library's own signals"
)]

use std::ffi::{c_int, c_long, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

type Body = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

// `libc` has them too. glibc unwinds a thread that it ends, through its callers.
unsafe extern "C-unwind" {
    fn syscall(number: c_long, ...) -> c_long;
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        body: Body,
        argument: *mut c_void,
    ) -> c_int;
    fn pthread_cancel(thread: libc::pthread_t) -> c_int;
    fn pthread_setcanceltype(new: c_int, old: *mut c_int) -> c_int;
}

/// `<pthread.h>` of glibc and musl.
const PTHREAD_CANCEL_ASYNCHRONOUS: c_int = 1;
/// As a number: -1.
const PTHREAD_CANCELED: usize = usize::MAX;

/// How far the thread and its canceller are.
#[derive(Default)]
struct Progress {
    is_ready: AtomicBool,
    is_cancelled: AtomicBool,
}

/// Starts a thread, and cancels it while it has a `SIGCHLD` pending. Both signals come at one moment,
/// so that of the cancellation interrupts the other's handler, unless the handler blocks it. Returns
/// `true` if the thread has ended by its cancellation.
pub(crate) fn cancel_a_thread_with_sigchld() -> bool {
    let progress = Progress::default();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    let mut result = ptr::null_mut();
    // SAFETY: the arguments live across the calls. The thread is joined once, and so does not outlive
    // its argument. `pthread_create` has set its number.
    unsafe {
        let given = ptr::from_ref(&progress).cast_mut().cast();
        let started = pthread_create(thread.as_mut_ptr(), ptr::null(), be_cancelled, given);
        assert_eq!(started, 0, "pthread_create");
        let thread = thread.assume_init();
        while !progress.is_ready.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        pthread_cancel(thread);
        libc::pthread_kill(thread, libc::SIGCHLD);
        progress.is_cancelled.store(true, Ordering::SeqCst);
        libc::pthread_join(thread, &raw mut result);
    }
    result.addr() == PTHREAD_CANCELED
}

/// Nothing here has a destructor, so the C library may unwind it.
unsafe extern "C-unwind" fn be_cancelled(progress: *mut c_void) -> *mut c_void {
    // SAFETY: the caller's own, which outlives the thread. The kernel reads a set of 8 bytes. The C
    // library's functions would leave out its own signals.
    unsafe {
        let progress = &*progress.cast::<Progress>();
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, ptr::null_mut());
        change_all(libc::SIG_BLOCK);
        progress.is_ready.store(true, Ordering::SeqCst);
        while !progress.is_cancelled.load(Ordering::SeqCst) {
            syscall(libc::SYS_sched_yield);
        }
        change_all(libc::SIG_UNBLOCK);
    }
    ptr::null_mut()
}

/// Blocks all signals of this thread, or none.
///
/// # Safety
///
/// No frame of the thread has a destructor.
unsafe extern "C-unwind" fn change_all(how: c_int) {
    let all = u64::MAX;
    // SAFETY: as above.
    unsafe {
        syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const all,
            ptr::null_mut::<u64>(),
            size_of::<u64>(),
        );
    }
}
