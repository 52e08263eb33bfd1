//! Two moments of a signal: when the stack is nearly full, and between a failed call and the
//! look at its error.

#![expect(
    unsafe_code,
    reason = "`tgkill`, the bounds of a thread's stack, the C library's `errno`"
)]

use std::hint::black_box;
use std::mem;
use std::ptr;
use std::thread;

use super::endings;

/// Raises `SIGCHLD` on a thread whose stack has room for a few calls, and not for a signal's
/// frame. std has given the thread an alternate stack.
pub(crate) fn signal_at_the_end_of_a_stack() {
    on_a_small_stack(signal_at_the_end_of_this_stack);
}

/// The same without an alternate stack.
pub(crate) fn signal_at_the_end_of_a_lone_stack() {
    on_a_small_stack(|| {
        let alternate = endings::change_alternate_stack(&endings::NO_ALTERNATE_STACK);
        signal_at_the_end_of_this_stack();
        endings::change_alternate_stack(&alternate);
    });
}

fn on_a_small_stack(body: fn()) {
    const STACK: usize = 64 << 10;
    let thread = thread::Builder::new().stack_size(STACK).spawn(body);
    thread.expect("a thread").join().expect("it lives on");
}

fn signal_at_the_end_of_this_stack() {
    const ROOM: usize = 1 << 10;
    super::signals::unblock_sigchld();
    descend_and_signal(end_of_stack() + ROOM);
}

/// The lowest address of this thread's stack.
fn end_of_stack() -> usize {
    // SAFETY: the attributes are initialised by pthread_getattr_np before they are read, and
    // destroyed after. The other pointers are to values that live across the call.
    unsafe {
        let mut attributes: libc::pthread_attr_t = mem::zeroed();
        let answer = libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes);
        assert_eq!(answer, 0, "pthread_getattr_np");
        let (mut lowest, mut size) = (ptr::null_mut(), 0);
        libc::pthread_attr_getstack(&raw const attributes, &raw mut lowest, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attributes);
        lowest.addr()
    }
}

#[inline(never)]
fn descend_and_signal(floor: usize) {
    let here = [0_u8; 128];
    if black_box(&here).as_ptr().addr() > floor {
        descend_and_signal(floor);
    } else {
        signal_this_thread();
    }
    black_box(&here);
}

fn signal_this_thread() {
    // SAFETY: takes plain values.
    unsafe {
        let thread = libc::syscall(libc::SYS_gettid);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGCHLD);
    }
}

/// Returns what `errno` is after a signal has come on this thread. It was `number` before.
pub(crate) fn errno_after_a_signal(number: i32) -> i32 {
    // SAFETY: the C library's `errno` of this thread.
    unsafe { *libc::__errno_location() = number };
    // Its calls succeed, and so do not touch `errno`.
    signal_this_thread();
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}
