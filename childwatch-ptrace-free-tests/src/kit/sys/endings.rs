//! The last moments of a thread, and those of a process.

#![expect(
    unsafe_code,
    reason = "a key of `pthread_key_create` with a destructor, `atexit`, `_exit`, `sigaltstack`"
)]

use std::ptr;
use std::sync::OnceLock;
use std::thread;

use super::threads::{is_asleep, thread_id};

/// What a thread does in its last moments.
struct Ending {
    /// In how many rounds of destructors it has been put off.
    rounds: u32,
    body: Box<dyn FnOnce()>,
}

/// Runs `body` in a destructor as this thread ends, after those of std's thread-local values.
/// So do C++ `thread_local` objects and the private data of C libraries end.
pub(crate) fn at_the_end_of_this_thread(body: impl FnOnce() + 'static) {
    let ending = Box::new(Ending {
        rounds: 0,
        body: Box::new(body),
    });
    keep(ending);
}

/// Gives the ending to the thread's destructor.
fn keep(ending: Box<Ending>) {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    let key = *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the key lives across the call. The destructor takes what `keep` has given.
        let answer = unsafe { libc::pthread_key_create(&raw mut key, Some(end)) };
        assert_eq!(answer, 0, "pthread_key_create");
        key
    });
    // SAFETY: the key exists. The value is the destructor's from here on.
    let answer = unsafe { libc::pthread_setspecific(key, Box::into_raw(ending).cast()) };
    assert_eq!(answer, 0, "pthread_setspecific");
}

extern "C" fn end(ending: *mut libc::c_void) {
    /// The C library makes at least four rounds (`PTHREAD_DESTRUCTOR_ITERATIONS`).
    const LATE: u32 = 2;
    // SAFETY: `keep` has made the pointer from a box. The C library passes it on once.
    let mut ending = unsafe { Box::from_raw(ending.cast::<Ending>()) };
    if ending.rounds == LATE {
        (ending.body)();
    } else {
        ending.rounds += 1;
        keep(ending);
    }
}

/// Has the exit handlers of this process wait until the first thread rests.
pub(crate) fn await_the_first_thread_at_exit() {
    extern "C" fn wait() {
        let first = std::process::id() as i32;
        while thread_id() != first && !is_asleep(first) {
            thread::yield_now();
        }
    }
    // SAFETY: the function may run at any time of an exit.
    let answer = unsafe { libc::atexit(wait) };
    assert_eq!(answer, 0, "atexit");
}

/// Makes an exit of this process end with code 0.
///
/// # Panics
///
/// When no exit handler can be registered.
pub fn exit_with_0() {
    extern "C" fn end() {
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: the function makes a system call only.
    let answer = unsafe { libc::atexit(end) };
    assert_eq!(answer, 0, "atexit");
}

/// Gives this thread an alternate stack of the smallest size that the kernel takes, and raises
/// `SIGCHLD` here. Returns `true` if the memory below that stack is as it was.
pub(crate) fn is_signalled_on_the_smallest_stack() -> bool {
    let mut memory = vec![UNTOUCHED; libc::SIGSTKSZ + libc::MINSIGSTKSZ];
    signal_beside(&mut memory[libc::SIGSTKSZ..]);
    is_untouched(&memory[..libc::SIGSTKSZ])
}

/// Raises `SIGCHLD` on this thread while the frame of a suspended handler is on its alternate
/// stack. Returns `true` if the frame is as it was.
pub(crate) fn keeps_a_frame_on_an_alternate_stack() -> bool {
    let mut memory = vec![UNTOUCHED; 2 * libc::SIGSTKSZ];
    signal_beside(&mut memory);
    is_untouched(&memory[libc::SIGSTKSZ..])
}

const UNTOUCHED: u8 = 0xa5;

fn is_untouched(memory: &[u8]) -> bool {
    memory.iter().all(|byte| *byte == UNTOUCHED)
}

/// Raises `SIGCHLD` on this thread while its alternate stack is `memory`.
fn signal_beside(memory: &mut [u8]) {
    let before = change_alternate_stack(&libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: memory.len(),
    });
    // SAFETY: takes plain values.
    unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread_id(), libc::SIGCHLD);
    }
    change_alternate_stack(&before);
}

pub(super) const NO_ALTERNATE_STACK: libc::stack_t = libc::stack_t {
    ss_sp: ptr::null_mut(),
    ss_flags: libc::SS_DISABLE,
    ss_size: 0,
};

/// Gives this thread another alternate stack, and returns the former one. The new one has its
/// memory until the former one is back.
pub(super) fn change_alternate_stack(stack: &libc::stack_t) -> libc::stack_t {
    let mut before = NO_ALTERNATE_STACK;
    // SAFETY: both live across the call. The callers here keep the memory.
    let answer = unsafe { libc::sigaltstack(stack, &raw mut before) };
    assert_eq!(answer, 0, "an alternate stack");
    before
}
