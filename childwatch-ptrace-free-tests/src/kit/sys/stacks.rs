//! Moments of a signal: when the stack is nearly full, between a failed call and the look at its
//! error, and when other signals come with it.

#![expect(
    unsafe_code,
    reason = "`tgkill`, the bounds of a thread's stack, the C library's `errno`, a handler"
)]

use std::hint::black_box;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::endings;
use super::signals::{Blocked, change_action, restore_handler, set_handler};

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
    raise(libc::SIGCHLD);
}

/// Sends a signal to this thread.
fn raise(signal: libc::c_int) {
    // SAFETY: takes plain values.
    unsafe {
        let thread = libc::syscall(libc::SYS_gettid);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal);
    }
}

/// How many handlers have run on an alternate stack.
static ON_ALTERNATE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_the_stack(_signal: libc::c_int) {
    let mut now = endings::NO_ALTERNATE_STACK;
    // SAFETY: a null new stack only reads, and the old one lives across the call.
    unsafe { libc::sigaltstack(ptr::null(), &raw mut now) };
    if now.ss_flags & libc::SS_ONSTACK != 0 {
        ON_ALTERNATE.fetch_add(1, Ordering::SeqCst);
    }
}

/// Has `SIGCHLD` and two other signals come at once on this thread, which has a large alternate
/// stack. Returns how many of the handlers of the two ran on that stack, though they do not ask
/// for it.
pub(crate) fn handlers_on_an_alternate_stack() -> usize {
    // The kernel interrupts the handler of the lowest number by the others.
    const OTHERS: [libc::c_int; 2] = [libc::SIGXCPU, libc::SIGPWR];
    let mut memory = vec![0_u8; 8 * libc::SIGSTKSZ];
    let alternate = endings::change_alternate_stack(&libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: memory.len(),
    });
    let before = OTHERS.map(|signal| {
        let before = set_handler(signal, note_the_stack);
        change_action(signal, |action| action.sa_flags &= !libc::SA_ONSTACK);
        before
    });
    ON_ALTERNATE.store(0, Ordering::SeqCst);
    let blocked = Blocked::signals(OTHERS.into_iter().chain([libc::SIGCHLD]));
    for signal in OTHERS.into_iter().chain([libc::SIGCHLD]) {
        raise(signal);
    }
    // All three are handled here.
    drop(blocked);
    for (signal, before) in OTHERS.iter().zip(&before) {
        restore_handler(*signal, before);
    }
    endings::change_alternate_stack(&alternate);
    ON_ALTERNATE.load(Ordering::SeqCst)
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
