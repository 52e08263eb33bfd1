//! Handlers of `SIGCHLD` as programs have their own: the first is looked at while it runs,
//! the second reaps, and the third belongs to a thread. Each passes the signal on to forwarders.

#![expect(
    unsafe_code,
    reason = "handlers that read a siginfo, raise a signal, look at their stack, or reap"
)]

use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use childwatch_core::Pid;

use super::forwarding::forward;

/// What a handler that is looked at has done, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has begun. The child exited with this code.
    Begun { pid: i32, code: i32, status: i32 },
    /// It runs on the alternate stack.
    OnAlternateStack,
    /// It has ended.
    Ended,
    /// The handler of `SIGUSR1` has run.
    OtherSignal,
}

/// The steps since [`forget_steps`], as four numbers each.
static STEPS: [[AtomicI32; 4]; 64] = [const { [const { AtomicI32::new(0) }; 4] }; 64];
static STEP_COUNT: AtomicUsize = AtomicUsize::new(0);

fn enter(numbers: [i32; 4]) {
    let place = STEP_COUNT.fetch_add(1, Ordering::SeqCst) % STEPS.len();
    for (cell, number) in STEPS[place].iter().zip(numbers) {
        cell.store(number, Ordering::SeqCst);
    }
}

/// Forgets the steps of the handler so far.
pub(crate) fn forget_steps() {
    STEP_COUNT.store(0, Ordering::SeqCst);
}

/// The latest steps of the handler.
pub(crate) fn steps() -> Vec<Step> {
    let count = STEP_COUNT.load(Ordering::SeqCst).min(STEPS.len());
    let told = STEPS[..count].iter().map(|step| {
        let [kind, pid, code, status] = [0, 1, 2, 3].map(|i| step[i].load(Ordering::SeqCst));
        match kind {
            0 => Step::Begun { pid, code, status },
            1 => Step::OnAlternateStack,
            2 => Step::Ended,
            _ => Step::OtherSignal,
        }
    });
    told.collect()
}

extern "C" fn be_looked_at(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the siginfo comes from the kernel with SIGCHLD, whose fields may be read. The
    // two calls are async-signal-safe, and `stack` lives across the first.
    unsafe {
        let Some(info) = info.as_ref() else { return };
        enter([0, info.si_pid(), info.si_code, info.si_status()]);
        let mut stack: libc::stack_t = mem::zeroed();
        libc::sigaltstack(ptr::null(), &raw mut stack);
        if stack.ss_flags & libc::SS_ONSTACK != 0 {
            enter([1; 4]);
        }
        libc::raise(libc::SIGUSR1);
        forward(info.si_pid(), info.si_code, info.si_status());
    }
    enter([2; 4]);
}

extern "C" fn note_other_signal(_signal: libc::c_int) {
    enter([3; 4]);
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn install(handler: Handler, flags: i32, blocked: &[i32]) {
    // SAFETY: the action lives across the call. Its handler takes three arguments, as
    // SA_SIGINFO has it, and is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = flags | libc::SA_SIGINFO;
        for signal in blocked {
            libc::sigaddset(&raw mut action.sa_mask, *signal);
        }
        let answer = libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut());
        assert_eq!(answer, 0, "SIGCHLD can be handled");
    }
}

/// Gives this program a handler of `SIGCHLD`. The handler interrupts system calls, runs on this
/// thread's alternate stack, blocks `SIGUSR1`, and raises it.
pub(crate) fn install_interrupting_handler() {
    /// Enough for a handler and the largest registers.
    const STACK: usize = 256 << 10;
    let stack = vec![0_u8; STACK].leak();
    // SAFETY: the stack is this thread's for ever. The action lives across its call, and
    // the handler is async-signal-safe.
    unsafe {
        let stack = libc::stack_t {
            ss_sp: stack.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: STACK,
        };
        let answer = libc::sigaltstack(&raw const stack, ptr::null_mut());
        assert_eq!(answer, 0, "an alternate stack");
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = note_other_signal as *const () as libc::sighandler_t;
        let answer = libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut());
        assert_eq!(answer, 0, "SIGUSR1 can be handled");
    }
    install(be_looked_at, libc::SA_ONSTACK, &[libc::SIGUSR1]);
}

/// The latest children that the handler has reaped: each pid, and its status as the kernel
/// writes it.
static REAPED: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
static REAPED_COUNT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn reap_all(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: waitpid is async-signal-safe, and writes to a number that lives across it. A
    // thread has an `errno` of its own. The siginfo is the kernel's, with SIGCHLD.
    unsafe {
        let errno = *libc::__errno_location();
        loop {
            let mut status = 0;
            let pid = libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL);
            if pid <= 0 {
                break;
            }
            let place = REAPED_COUNT.fetch_add(1, Ordering::SeqCst) % REAPED.len();
            let both = u64::from(pid as u32) << 32 | u64::from(status as u32);
            REAPED[place].store(both, Ordering::SeqCst);
        }
        if let Some(info) = info.as_ref() {
            forward(info.si_pid(), info.si_code, info.si_status());
        }
        *libc::__errno_location() = errno;
    }
}

/// Gives this program a handler of `SIGCHLD` that reaps every child there is.
pub(crate) fn install_reaping_handler() {
    install(reap_all, libc::SA_RESTART | libc::SA_NOCLDSTOP, &[]);
}

/// The thread that the noting handler belongs to, and how often the handler has run on others.
static ITS_THREAD: AtomicI32 = AtomicI32::new(0);
static RUNS: AtomicUsize = AtomicUsize::new(0);
static RUNS_ELSEWHERE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_thread(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: gettid takes nothing. The siginfo comes from the kernel with SIGCHLD, whose fields
    // may be read.
    unsafe {
        if libc::gettid() != ITS_THREAD.load(Ordering::SeqCst) {
            RUNS_ELSEWHERE.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(info) = info.as_ref() {
            forward(info.si_pid(), info.si_code, info.si_status());
        }
    }
    RUNS.fetch_add(1, Ordering::SeqCst);
}

/// Gives this program a handler of `SIGCHLD` that belongs to this thread.
pub(crate) fn install_handler_of_this_thread() {
    ITS_THREAD.store(super::threads::thread_id(), Ordering::SeqCst);
    install(note_thread, libc::SA_RESTART, &[]);
}

/// How often that handler has run.
pub(crate) fn runs() -> usize {
    RUNS.load(Ordering::SeqCst)
}

/// How often that handler has run on other threads since the last call.
pub(crate) fn runs_elsewhere() -> usize {
    RUNS_ELSEWHERE.swap(0, Ordering::SeqCst)
}

/// Calls the C library's `system` with a command that exits with 7. Returns that code, or
/// `None` if the status was lost.
pub(crate) fn code_of_system() -> Option<i32> {
    // SAFETY: the command is a string of C's.
    let status = unsafe { libc::system(c"exit 7".as_ptr()) };
    (status != -1).then(|| libc::WEXITSTATUS(status))
}

/// The status with which the reaping handler has reaped a child, if it has.
pub(crate) fn reaped_by_handler(pid: Pid) -> Option<ExitStatus> {
    REAPED.iter().find_map(|place| {
        let both = place.load(Ordering::SeqCst);
        let number = (both >> 32) as i32;
        (number == pid.as_raw()).then(|| ExitStatus::from_raw(both as u32 as i32))
    })
}

/// Forgets the children that the handler has reaped.
pub(crate) fn forget_reaped() {
    for place in &REAPED {
        place.store(0, Ordering::SeqCst);
    }
}

extern "C" fn pass_on(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    super::signals::CHILD_SIGNALS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the siginfo comes from the kernel with SIGCHLD, whose fields may be read.
    unsafe {
        if let Some(info) = info.as_ref() {
            forward(info.si_pid(), info.si_code, info.si_status());
        }
    }
}

/// Gives this program a handler of `SIGCHLD` that counts in
/// [`CHILD_SIGNALS`](super::signals::CHILD_SIGNALS).
pub(crate) fn install_counting_handler() {
    install(pass_on, libc::SA_RESTART | libc::SA_ONSTACK, &[]);
}

/// How often a counting handler has run.
pub(crate) fn child_signals() -> usize {
    super::signals::CHILD_SIGNALS.load(Ordering::SeqCst)
}
