//! How children come into the world: forks, and clones that share memory.

#![expect(
    unsafe_code,
    reason = "`fork`, `clone3`, `clone`, `pre_exec`, and the calls that a copy may make"
)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use childwatch_core::Pid;
use rustix::process::{Signal, set_parent_process_death_signal};

/// How a child comes into the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    /// The number it is to have; any if `None`.
    pub(crate) pid: Option<Pid>,
    /// What its end sends to its parent; 0 for nothing.
    pub(crate) exit_signal: i32,
    /// What `clone3` is told besides.
    pub(crate) flags: u64,
}

impl Birth {
    /// A child that the kernel reaps at its end (Linux 7.1).
    pub(crate) fn auto_reaped() -> Self {
        /// `<linux/sched.h>`
        const CLONE_AUTOREAP: u64 = 1 << 34;
        Birth {
            pid: None,
            exit_signal: 0,
            flags: CLONE_AUTOREAP,
        }
    }
}

impl Default for Birth {
    fn default() -> Self {
        Birth {
            pid: None,
            exit_signal: libc::SIGCHLD,
            flags: 0,
        }
    }
}

/// Forks a child that waits at `gate` for two bytes: `[0, code]` has it exit,
/// `[1, signal]` has it end by that signal.
pub(crate) fn fork_gated(birth: Birth, gate: &OwnedFd) -> io::Result<Pid> {
    let gate = gate.as_raw_fd();
    // SAFETY: the child does nothing but make async-signal-safe calls, and ends.
    unsafe { fork_with(birth, || end_as_ordered(gate)) }
}

/// Forks a child that ends with `code` once the last write end of `gate` is
/// closed, its own copy of which it closes first.
pub(crate) fn fork_crowd_member((read, write): (&OwnedFd, &OwnedFd), code: u8) -> io::Result<Pid> {
    let (read, write) = (read.as_raw_fd(), write.as_raw_fd());
    // SAFETY: the child does nothing but make async-signal-safe calls, and ends.
    unsafe {
        fork_with(Birth::default(), || {
            libc::close(write);
            let mut byte = 0_u8;
            while libc::read(read, (&raw mut byte).cast(), 1) == -1 {}
            libc::_exit(code.into())
        })
    }
}

/// Forks a copy of this program. The copy runs `body`, and exits with the code that `body`
/// returns.
///
/// # Errors
///
/// If the process can't be forked.
///
/// # Safety
///
/// `body` must do only what is sound in a copy of a threaded process: see
/// `signal-safety(7)`. Calls of a watcher are under test for being so.
pub unsafe fn fork_copy(body: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: the caller's promise.
    unsafe {
        fork_with(Birth::default(), || {
            let code = body();
            libc::_exit(code)
        })
    }
}

/// Which call makes a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fork {
    /// The C library's, which prepares its own state for the copy.
    Library,
    /// The system's, of which the C library in the copy knows nothing.
    Raw,
}

/// Forks, and returns in both processes: `None` in the copy.
///
/// # Safety
///
/// The copy may do only what is sound in a copy of a threaded process: see
/// `signal-safety(7)`. Returning to a watcher's thread is under test for being so.
pub(crate) unsafe fn fork_twin(fork: Fork) -> io::Result<Option<Pid>> {
    // SAFETY: the caller's promise. Without CLONE_VM, and with a null stack, clone
    // returns twice as fork does.
    let raw = unsafe {
        match fork {
            Fork::Library => libc::fork(),
            Fork::Raw => libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as i32,
        }
    };
    match raw {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        raw => Pid::try_from(raw).map(Some).map_err(io::Error::other),
    }
}

/// `struct clone_args` of `<linux/sched.h>`, in its third version (Linux 5.7). It is the same on
/// every architecture. The `libc` crate has it for some of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const _: () = assert!(size_of::<CloneArgs>() == 88);

/// # Safety
///
/// `body` runs in a copy of a process that may have threads: it must only do what
/// is async-signal-safe, and never return.
unsafe fn fork_with(birth: Birth, body: impl FnOnce()) -> io::Result<Pid> {
    let mut number = birth.pid.map_or(0, Pid::as_raw);
    let mut args = CloneArgs {
        flags: birth.flags,
        exit_signal: birth.exit_signal.unsigned_abs().into(),
        ..CloneArgs::default()
    };
    if birth.pid.is_some() {
        args.set_tid = (&raw mut number).addr() as u64;
        args.set_tid_size = 1;
    }
    // glibc's fork is the sound one for a threaded process; clone is for what it can't
    // do, and clone3 (Linux 5.3, and refused by container profiles) for what neither
    // can.
    //
    // SAFETY: `args` and the number it points to live across the call. Without
    // CLONE_VM, and with a null stack, both calls return twice as fork does.
    let raw = unsafe {
        if birth.pid.is_some() || birth.flags != 0 {
            libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) as i32
        } else if birth.exit_signal == libc::SIGCHLD {
            libc::fork()
        } else {
            libc::syscall(libc::SYS_clone, birth.exit_signal, 0, 0, 0, 0) as i32
        }
    };
    match raw {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            body();
            // SAFETY: ends the copy.
            unsafe { libc::_exit(126) }
        }
        raw => Pid::try_from(raw).map_err(io::Error::other),
    }
}

/// The gated child's whole life. Async-signal-safe.
fn end_as_ordered(gate: RawFd) {
    let mut order = [0_u8; 2];
    // SAFETY: reads into a buffer of the length it names; the calls after it take
    // plain values, and `default` lives across sigaction.
    unsafe {
        loop {
            match libc::read(gate, order.as_mut_ptr().cast(), order.len()) {
                2 => break,
                -1 => {}
                _ => libc::_exit(125),
            }
        }
        let [kind, value] = order;
        if kind == 0 {
            libc::_exit(value.into());
        }
        let signal = i32::from(value);
        let core = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const core);
        let mut default: libc::sigaction = mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, ptr::null_mut());
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::kill(libc::getpid(), signal);
        libc::pause();
    }
}

/// Forks a child that shares this process's working directory, and ends with it.
///
/// # Panics
///
/// If there is no such child.
pub fn share_the_working_directory() {
    let (gate, opener) = rustix::pipe::pipe().expect("a pipe");
    let birth = Birth {
        flags: libc::CLONE_FS as u64,
        ..Birth::default()
    };
    let (gate, opener) = (gate.into_raw_fd(), opener.into_raw_fd());
    // SAFETY: the child makes async-signal-safe calls only, and ends. It ends with this Only
    // this process and its copies have the pipe's other end, so it ends with them.
    let child = unsafe {
        fork_with(birth, || {
            libc::close(opener);
            let mut byte = 0_u8;
            while libc::read(gate, (&raw mut byte).cast(), 1) == -1 {}
            libc::_exit(0)
        })
    };
    child.expect("a child");
}

/// Has the command's process be killed when the thread ends that starts it.
pub(crate) fn kill_with_its_starter(command: &mut Command) {
    let ask = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: the closure makes one system call, and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

/// The end of a pipe that children of the calling thread wait at; -1 for none.
static LET_GO_AT_EXIT: AtomicI32 = AtomicI32::new(-1);
/// How many there are.
const AT_EXIT: usize = 20;

/// Starts children of the calling thread. When this process exits, it lets one after the
/// other go, and reaps each. The kernel prefers to signal the thread that has started them.
pub(crate) fn end_children_at_exit() {
    extern "C" fn end() {
        let opener = LET_GO_AT_EXIT.load(Ordering::SeqCst);
        for _ in 0..AT_EXIT {
            // SAFETY: writes one byte that lives across the call. A null status is allowed.
            unsafe {
                libc::write(opener, [0_u8].as_ptr().cast(), 1);
                libc::waitpid(-1, ptr::null_mut(), 0);
            }
        }
    }
    let (gate, opener) = rustix::pipe::pipe().expect("a pipe");
    let (gate, opener) = (gate.into_raw_fd(), opener.into_raw_fd());
    LET_GO_AT_EXIT.store(opener, Ordering::SeqCst);
    for _ in 0..AT_EXIT {
        // SAFETY: the child makes async-signal-safe calls only, and ends. It ends with this
        // Only this process has the pipe's other end.
        let child = unsafe {
            fork_with(Birth::default(), || {
                libc::close(opener);
                libc::read(gate, [0_u8].as_mut_ptr().cast(), 1);
                libc::_exit(0)
            })
        };
        child.expect("a child");
    }
    // SAFETY: the function makes system calls only.
    let answer = unsafe { libc::atexit(end) };
    assert_eq!(answer, 0, "atexit");
}

/// Makes this process adopt the orphans among its descendants.
pub(crate) fn become_subreaper() {
    // SAFETY: takes plain values.
    let answer = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    assert_eq!(answer, 0, "prctl(PR_SET_CHILD_SUBREAPER), Linux 3.4");
}

/// The bytes of a stack for [`clone_sharing_memory`]: enough for a few system calls.
pub const SMALL_STACK: usize = 8 << 10;

/// Starts a child that shares this process's memory and table of files, on a stack of
/// its own. The child ends with what `body` returns, and its end sends `exit_signal` to
/// its parent; 0 for nothing.
///
/// # Errors
///
/// If the kernel makes no child.
///
/// # Safety
///
/// At `stack` begin [`SMALL_STACK`] bytes that outlive the child. Only the child uses them
/// until it ends; `argument` is what `body` wants. `body` shares this thread's thread-local
/// storage, and must not use it.
pub unsafe fn clone_sharing_memory<T>(
    body: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    stack: *mut u8,
    argument: *const T,
    exit_signal: i32,
) -> io::Result<Pid> {
    // Stacks grow downwards, and are aligned to 16 bytes.
    let top = stack
        .wrapping_add(SMALL_STACK)
        .map_addr(|address| address & !15);
    // SAFETY: the caller's promise.
    let raw = unsafe {
        libc::clone(
            body,
            top.cast(),
            libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_FS | exit_signal,
            argument.cast_mut().cast(),
        )
    };
    if raw == -1 {
        return Err(io::Error::last_os_error());
    }
    Pid::try_from(raw).map_err(io::Error::other)
}

/// Forks a copy that writes to a pipe until that is broken, and a last time then. Reads some
/// of it, as `head` does, and closes the pipe. Returns the copy and the bytes read. The copy
/// exits with 1 if the last write does not end it.
pub(crate) fn copy_that_writes_to_a_broken_pipe() -> io::Result<(Pid, usize)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (reader, writer) = (read.as_raw_fd(), write.as_raw_fd());
    // SAFETY: the copy makes system calls on its own copies of two numbers, and ends.
    let copy = unsafe {
        fork_copy(|| {
            libc::close(reader);
            let line = *b"y\n";
            while libc::write(writer, line.as_ptr().cast(), line.len()) > 0 {}
            1
        })
    }?;
    drop(write);
    let mut bytes = [0; 256];
    let mut taken = 0;
    while taken < bytes.len() {
        match rustix::io::read(&read, &mut bytes[taken..]) {
            Ok(0) => break,
            Ok(some) => taken += some,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((copy, taken))
}
