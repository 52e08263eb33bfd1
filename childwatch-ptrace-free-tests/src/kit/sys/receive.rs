//! How a program that owns `SIGCHLD` receives it: `signalfd`, `sigtimedwait`, or a read
//! that the signal interrupts.

#![expect(
    unsafe_code,
    reason = "`signalfd`, `sigtimedwait`, `ppoll`, `sigaction`, a raw `read`"
)]

use std::fs;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use childwatch_core::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::kit::own_proc;

fn child_signal() -> libc::sigset_t {
    // SAFETY: all zeros is a valid set, which lives across the calls.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        set
    }
}

/// A program's `signalfd` for `SIGCHLD`, which must be blocked on all its threads.
#[derive(Debug)]
pub(crate) struct ChildSignals(OwnedFd);

impl ChildSignals {
    pub(crate) fn open() -> Self {
        let set = child_signal();
        // SAFETY: the set lives across the call. The answer is a new file descriptor, or -1.
        let fd = unsafe {
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            assert!(fd >= 0, "a signalfd");
            OwnedFd::from_raw_fd(fd)
        };
        ChildSignals(fd)
    }

    /// Reads one signal, if one comes within the limit.
    pub(crate) fn receive(&self, limit: Duration) -> Option<ChildSignal> {
        let limit = Timespec::try_from(limit).expect("a short time");
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        // EINTR: another signal. The caller's next read tells.
        let _ = poll(&mut fds, Some(&limit));
        // SAFETY: all zeros is a valid signalfd_siginfo.
        let mut info: libc::signalfd_siginfo = unsafe { mem::zeroed() };
        let size = size_of_val(&info);
        // SAFETY: reads at most `size` bytes into `info`, of which every value is valid.
        let read = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size) };
        (usize::try_from(read) == Ok(size)).then_some(ChildSignal {
            pid: info.ssi_pid as i32,
            code: info.ssi_code,
            status: info.ssi_status,
        })
    }
}

/// What came with a `SIGCHLD`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildSignal {
    pub(crate) pid: i32,
    /// `si_code`.
    pub(crate) code: i32,
    pub(crate) status: i32,
}

/// Takes one pending `SIGCHLD` of the process, if one comes within the limit. The signal
/// must be blocked on all threads of the program.
pub(crate) fn take_child_signal(limit: Duration) -> Option<ChildSignal> {
    let set = child_signal();
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
    };
    // SAFETY: set, siginfo and time live across the call. The kernel fills the siginfo of a
    // SIGCHLD that was taken, whose fields may be read then.
    unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        let taken = libc::sigtimedwait(&raw const set, &raw mut info, &raw const limit);
        (taken == libc::SIGCHLD).then(|| ChildSignal {
            pid: info.si_pid(),
            code: info.si_code,
            status: info.si_status(),
        })
    }
}

/// Takes a signal of the process, and returns `true` if it comes within the limit. The signal
/// must be blocked on all threads.
pub(crate) fn takes_signal(signal: i32, limit: Duration) -> bool {
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
    };
    // SAFETY: all zeros is a valid set, which sigemptyset initialises. Set and time live across
    // the call, and a null siginfo is allowed.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const limit) == signal
    }
}

/// Unblocks `SIGCHLD` on this thread and sleeps, at once, as `sigsuspend` does. Returns
/// `true` if a handler has interrupted the sleep.
pub fn is_interrupted_within(limit: Duration) -> bool {
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
    };
    // SAFETY: the mask and the time live across the calls, and no descriptor is named.
    let answer = unsafe {
        let mut mask: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
        libc::sigdelset(&raw mut mask, libc::SIGCHLD);
        libc::ppoll(std::ptr::null_mut(), 0, &raw const limit, &raw const mask)
    };
    answer == -1 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
}

/// What the latest `SIGCHLD` brought, noted by a handler of the program's own.
pub(crate) struct NotedSignal;

/// The pid; 0 for none.
static NOTED: AtomicI32 = AtomicI32::new(0);
static NOTED_CODE: AtomicI32 = AtomicI32::new(0);
static NOTED_STATUS: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the siginfo comes from the kernel with SIGCHLD, whose fields may be read.
    unsafe {
        if let Some(info) = info.as_ref() {
            NOTED_CODE.store(info.si_code, Ordering::SeqCst);
            NOTED_STATUS.store(info.si_status(), Ordering::SeqCst);
            NOTED.store(info.si_pid(), Ordering::SeqCst);
        }
    }
}

impl NotedSignal {
    /// Installs the handler, which stays.
    pub(crate) fn handle() {
        // SAFETY: the action lives across the call, and the handler fits its flags.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = note as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO;
            let answer = libc::sigaction(libc::SIGCHLD, &raw const action, std::ptr::null_mut());
            assert_eq!(answer, 0, "SIGCHLD can be handled");
        }
    }

    /// Takes what was noted last, if that has not been taken.
    pub(crate) fn take() -> Option<ChildSignal> {
        let pid = NOTED.swap(0, Ordering::SeqCst);
        (pid != 0).then(|| ChildSignal {
            pid,
            code: NOTED_CODE.load(Ordering::SeqCst),
            status: NOTED_STATUS.load(Ordering::SeqCst),
        })
    }
}

/// The threads of this process that do not block a signal.
pub(crate) fn threads_that_let_through(signal: i32) -> Vec<i32> {
    let threads = fs::read_dir(own_proc::in_own_proc("task")).expect("/proc is mounted");
    threads
        .flatten()
        .filter(|thread| {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            let mut lines = status.lines();
            let mask = lines.find_map(|line| line.strip_prefix("SigBlk:"));
            let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.is_some_and(|mask| mask & 1 << (signal - 1) == 0)
        })
        .filter_map(|thread| thread.file_name().to_str()?.parse().ok())
        .collect()
}

/// Reads one byte as C programs do. A handler that was installed without `SA_RESTART`
/// interrupts the call.
pub(crate) fn read_once(fd: &OwnedFd) -> io::Result<u8> {
    let mut byte = 0_u8;
    // SAFETY: reads into one byte, which lives across the call.
    let read = unsafe { libc::read(fd.as_raw_fd(), (&raw mut byte).cast(), 1) };
    if read == 1 {
        Ok(byte)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Removes all actions that signal-hook calls for `SIGCHLD`, also those of other libraries.
pub fn remove_all_actions() {
    #[expect(deprecated, reason = "other libraries call it")]
    signal_hook_registry::unregister_signal(libc::SIGCHLD);
}

/// Counts each `SIGCHLD` as other libraries would: by an action of signal-hook.
///
/// # Panics
///
/// If signal-hook refuses.
pub fn count_through_signal_hook() {
    // SAFETY: the action makes one atomic operation.
    let counting = unsafe {
        signal_hook_registry::register(libc::SIGCHLD, || {
            super::signals::CHILD_SIGNALS.fetch_add(1, Ordering::SeqCst);
        })
    };
    counting.expect("an action of signal-hook");
}

/// A thread that stands in the handler of `SIGCHLD`, in an action of another library.
#[derive(Debug)]
pub(crate) struct HeldHandler {
    opener: OwnedFd,
    thread: thread::JoinHandle<()>,
}

/// The pipe that the action waits at; -1 for none.
static HELD_AT: AtomicI32 = AtomicI32::new(-1);
/// How many threads stand in the action.
static STANDING: AtomicUsize = AtomicUsize::new(0);

impl HeldHandler {
    /// Brings a thread into the handler, where it stays.
    pub(crate) fn begin() -> Self {
        let (gate, opener) = rustix::pipe::pipe().expect("a pipe");
        HELD_AT.store(gate.into_raw_fd(), Ordering::SeqCst);
        // SAFETY: the action makes atomic operations and the system call read, into one
        // byte of its own.
        let registered = unsafe {
            signal_hook_registry::register(libc::SIGCHLD, || {
                // The first thread alone.
                if STANDING.fetch_add(1, Ordering::SeqCst) == 0 {
                    let mut byte = 0_u8;
                    let gate = HELD_AT.load(Ordering::SeqCst);
                    libc::read(gate, (&raw mut byte).cast(), 1);
                }
            })
        };
        registered.expect("an action of signal-hook");
        let thread = thread::spawn(|| {
            // SAFETY: takes a plain value; the handler is signal-hook's.
            unsafe { libc::raise(libc::SIGCHLD) };
        });
        crate::kit::deadline::until("a thread stands in the handler", || {
            STANDING.load(Ordering::SeqCst) > 0
        });
        HeldHandler { opener, thread }
    }

    /// Lets the action of this process, a copy, pass.
    pub(crate) fn pass_by() {
        STANDING.store(1, Ordering::SeqCst);
    }

    /// Lets the thread go on.
    pub(crate) fn end(self) {
        rustix::io::write(&self.opener, &[0]).expect("the pipe is open");
        self.thread.join().expect("the thread goes on");
        // SAFETY: the number is that of the pipe's other end, which nobody else owns.
        drop(unsafe { OwnedFd::from_raw_fd(HELD_AT.swap(-1, Ordering::SeqCst)) });
    }
}

/// The pids of the latest signals, from `record_child_signals` on.
static RECORDED: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];
static RECORDS: AtomicUsize = AtomicUsize::new(0);

/// Records the pid of each `SIGCHLD`, by an action of signal-hook.
///
/// # Panics
///
/// If signal-hook refuses.
pub fn record_child_signals() {
    // SAFETY: the action makes atomic operations. The pid may be read of a siginfo that
    // came with SIGCHLD.
    let recording = unsafe {
        signal_hook_registry::register_sigaction(libc::SIGCHLD, |info| {
            let place = RECORDS.fetch_add(1, Ordering::SeqCst) % RECORDED.len();
            RECORDED[place].store(info.si_pid(), Ordering::SeqCst);
        })
    };
    recording.expect("an action of signal-hook");
}

/// Returns the pids that have been recorded since the last call.
#[must_use]
pub fn recorded_child_signals() -> Vec<Pid> {
    let pids = RECORDED.iter().map(|pid| pid.swap(0, Ordering::SeqCst));
    pids.filter_map(|pid| Pid::try_from(pid).ok()).collect()
}
