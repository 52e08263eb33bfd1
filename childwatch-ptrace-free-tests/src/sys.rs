//! The system calls that the suite needs and rustix does not have, and what it
//! reads from the kernel. All `unsafe` of the suite's own machinery is here.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::ptr;
use std::time::{Duration, Instant};

use childwatch_core::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    PidfdFlags, Resource, Rlimit, WaitId, WaitIdOptions, WaitOptions, getrlimit, pidfd_open,
    setrlimit, waitid, waitpid,
};

/// How a child comes into the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    /// The number it is to have; any if `None`.
    pub(crate) pid: Option<Pid>,
    /// What its end sends to its parent; 0 for nothing.
    pub(crate) exit_signal: i32,
}

impl Default for Birth {
    fn default() -> Self {
        Birth {
            pid: None,
            exit_signal: libc::SIGCHLD,
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

/// Forks a child that is this program's copy and runs `body` in it, then exits
/// with what it returns.
///
/// # Safety
///
/// `body` must do only what is sound in a copy of a threaded process: see
/// `signal-safety(7)`. Calls of a watcher are under test for being so.
pub(crate) unsafe fn fork_copy(body: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: the caller's promise.
    unsafe {
        fork_with(Birth::default(), || {
            let code = body();
            libc::_exit(code)
        })
    }
}

/// # Safety
///
/// `body` runs in a copy of a process that may have threads: it must only do what
/// is async-signal-safe, and never return.
unsafe fn fork_with(birth: Birth, body: impl FnOnce()) -> io::Result<Pid> {
    let mut number = birth.pid.map_or(0, Pid::as_raw);
    // SAFETY: all zeros is a valid `clone_args`: no flag, no pointer.
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    args.exit_signal = birth.exit_signal.unsigned_abs().into();
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
        match birth {
            Birth { pid: Some(_), .. } => {
                libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) as i32
            }
            Birth {
                exit_signal: libc::SIGCHLD,
                ..
            } => libc::fork(),
            Birth { exit_signal, .. } => {
                libc::syscall(libc::SYS_clone, exit_signal, 0, 0, 0, 0) as i32
            }
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

pub(crate) fn wall() -> WaitOptions {
    WaitOptions::from_bits_retain(libc::__WALL as u32)
}

pub(crate) fn wall_id() -> WaitIdOptions {
    WaitIdOptions::from_bits_retain(libc::__WALL as u32)
}

fn number(pid: Pid) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid is positive")
}

/// Waits until a child is a zombie, without reaping it; or gone, if it is.
pub(crate) fn confirm_dead(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | wall_id();
    while let Err(Errno::INTR) = waitid(WaitId::Pid(number(pid)), options) {}
}

/// Reaps a child: its status, unless somebody else has it.
pub(crate) fn reap(pid: Pid) -> Option<ExitStatus> {
    loop {
        match waitpid(Some(number(pid)), wall()) {
            Ok(Some((_, status))) => return Some(ExitStatus::from_raw(status.as_raw())),
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// What this process may map more than it has, is measured from here.
pub(crate) fn address_space_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    let pages = statm
        .split_whitespace()
        .next()
        .expect("statm has seven fields");
    pages.parse::<u64>().expect("a count of pages") * rustix::param::page_size() as u64
}

/// Whether a child can be waited for at this moment, without reaping it.
pub(crate) fn is_waitable(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG | wall_id();
    matches!(waitid(WaitId::Pid(number(pid)), options), Ok(Some(_)))
}

pub(crate) fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG | wall_id();
    !matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}

/// Waits until a child can be waited for, `limit` at most; whether it can.
pub(crate) fn waitable_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let end = Instant::now() + limit;
    let pidfd = match pidfd_open(number(Pid::from(child)), PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        // Without pidfds, ask again and again.
        Err(_) => {
            return Ok(crate::deadline::holds_within(limit, || {
                is_waitable(child.into())
            }));
        }
    };
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Ok(readable) => return Ok(readable > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The soft limit on open files.
pub(crate) fn open_files_limit() -> Result<u64, String> {
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// Leaves room for only so many more open files, until dropped.
#[derive(Debug)]
pub(crate) struct FewFiles {
    before: Rlimit,
    /// The limit counts numbers, not files: these take every number below it.
    _fillers: Vec<OwnedFd>,
}

impl FewFiles {
    pub(crate) fn left(room: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = std::fs::read_dir("/proc/self/fd")
            .expect("/proc is mounted")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
            .max()
            .expect("the listing has an fd of its own");
        // A file that was inherited may stand right below the limit there is.
        let enough = highest + 1 + room as u64;
        let lowered = Rlimit {
            current: Some(before.current.map_or(enough, |limit| limit.min(enough))),
            ..before
        };
        setrlimit(Resource::Nofile, lowered).expect("a soft limit can be lowered");
        let mut fillers: Vec<_> =
            std::iter::from_fn(|| io::stderr().as_fd().try_clone_to_owned().ok()).collect();
        fillers.truncate(fillers.len() - room);
        FewFiles {
            before,
            _fillers: fillers,
        }
    }
}

impl Drop for FewFiles {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::Nofile, self.before);
    }
}

/// Whether this process may give a child a number of its choice.
pub(crate) fn can_choose_pids() -> Result<(), String> {
    let (gate, opener) = rustix::pipe::pipe().map_err(|error| error.to_string())?;
    let mut first = crate::child::RealChild::fork(Birth::default());
    let pid = crate::child::GatedChild::pid(&first);
    crate::child::GatedChild::let_go(&first, crate::child::End::Code(0));
    crate::child::GatedChild::reap(&mut first);
    let birth = Birth {
        pid: Some(pid),
        ..Birth::default()
    };
    match fork_gated(birth, &gate) {
        Ok(pid) => {
            // The child reads an end of file, and ends.
            drop((gate, opener));
            let _ = rustix::process::kill_process(number(pid), rustix::process::Signal::KILL);
            let _ = rustix::process::waitpid(Some(number(pid)), wall());
            Ok(())
        }
        // Somebody has the number already: it was the number that was refused.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        Err(error) => Err(format!(
            "no process can be given a chosen number here (clone3 with set_tid: {error})"
        )),
    }
}

/// Whether this process may trace a child of its own.
pub(crate) fn may_trace() -> Result<(), String> {
    let mut child = crate::child::RealChild::fork(Birth::default());
    let pid = crate::child::GatedChild::pid(&child);
    let answer = seize(pid);
    crate::child::GatedChild::let_go(&child, crate::child::End::Code(0));
    crate::child::GatedChild::reap(&mut child);
    answer.map_err(|error| format!("ptrace is not allowed here ({error})"))
}

/// Whether this process may have its system calls filtered, those of all its threads.
pub(crate) fn may_filter_calls() -> io::Result<()> {
    // Who could take a filter, of all threads at once, finds first that this one can't
    // be read (EFAULT): nothing has changed then.
    //
    // SAFETY: the kernel reads the filter, and checks that it can.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            ptr::null::<libc::sock_fprog>(),
        )
    };
    let error = io::Error::last_os_error();
    match (answer, error.raw_os_error()) {
        (-1, Some(libc::EFAULT)) => Ok(()),
        _ => Err(error),
    }
}

/// Whether the kernel wipes pages in forked copies where it is told to.
#[cfg(test)]
pub(crate) fn can_wipe_on_fork() -> bool {
    // SAFETY: advice about no bytes at all.
    unsafe { libc::madvise(ptr::null_mut(), 0, libc::MADV_WIPEONFORK) == 0 }
}

/// Begins to trace a process, without stopping it.
pub(crate) fn seize(pid: Pid) -> io::Result<()> {
    // SAFETY: PTRACE_SEIZE takes no memory of ours: its address must be null and
    // its data are option bits.
    let answer =
        unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid.as_raw(), ptr::null_mut::<()>(), 0) };
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// This thread's number.
pub(crate) fn thread_id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Ends this thread alone by the raw call; the process lives on while others do.
pub(crate) fn exit_thread_only() -> ! {
    // SAFETY: the thread's stack is not freed by anybody: it is the main thread's,
    // and no destructor of a value on it is owed to another thread.
    unsafe {
        libc::syscall(libc::SYS_exit, 0);
    }
    unreachable!("exit does not return")
}

/// What SIGCHLD does to this process, until dropped.
pub(crate) struct SigchldAction {
    before: libc::sigaction,
}

impl SigchldAction {
    pub(crate) fn ignored() -> Self {
        Self::set(libc::SIG_IGN, 0)
    }

    pub(crate) fn no_child_wait() -> Self {
        Self::set(libc::SIG_DFL, libc::SA_NOCLDWAIT)
    }

    fn set(handler: libc::sighandler_t, flags: i32) -> Self {
        // SAFETY: both actions live across the call, and neither runs code.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handler;
            action.sa_flags = flags;
            let mut before: libc::sigaction = mem::zeroed();
            let answer = libc::sigaction(libc::SIGCHLD, &raw const action, &raw mut before);
            assert_eq!(answer, 0, "SIGCHLD can be ignored");
            SigchldAction { before }
        }
    }
}

impl Drop for SigchldAction {
    fn drop(&mut self) {
        // SAFETY: restores what was there.
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const self.before, ptr::null_mut()) };
    }
}

/// What every signal does, as numbers to be compared.
pub(crate) fn dispositions() -> Vec<(i32, usize, i32)> {
    (1..=64)
        .filter_map(|signal| {
            // SAFETY: a null new action only reads; the old one lives across the
            // call. Signals that libc keeps to itself are refused, and left out.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                let answer = libc::sigaction(signal, ptr::null(), &raw mut action);
                (answer == 0).then_some((signal, action.sa_sigaction, action.sa_flags))
            }
        })
        .collect()
}

/// Whether each signal from 1 to 64 is blocked on this thread.
pub(crate) fn blocked_signals() -> Vec<i32> {
    // SAFETY: a null new set only reads; sigismember reads an initialised set.
    unsafe {
        let mut mask: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut mask);
        (1..=64)
            .filter(|signal| libc::sigismember(&raw const mask, *signal) == 1)
            .collect()
    }
}

/// Makes this process adopt the orphans among its descendants.
pub(crate) fn become_subreaper() {
    // SAFETY: takes plain values.
    let answer = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    assert_eq!(answer, 0, "prctl(PR_SET_CHILD_SUBREAPER), Linux 3.4");
}

/// Sends a signal to this very process.
pub(crate) fn signal_self(signal: i32) {
    // SAFETY: takes plain values.
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// Limits this process's address space.
pub(crate) fn limit_address_space(bytes: Option<u64>) {
    let before = getrlimit(Resource::As);
    let limit = Rlimit {
        current: bytes.or(before.maximum),
        ..before
    };
    setrlimit(Resource::As, limit).expect("a soft limit can be set");
}

/// The signals that end a process by default.
pub(crate) fn fatal_signals() -> impl Iterator<Item = u8> {
    const HARMLESS: [i32; 8] = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    // 32 and 33 are glibc's own.
    (1..=64).filter(|signal| {
        let number = i32::from(*signal);
        !HARMLESS.contains(&number) && !(32..34).contains(&number)
    })
}

/// Whether a process is a zombie, traced or not.
pub(crate) fn is_zombie(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// The processor time that a thread of this process has taken.
pub(crate) fn processor_time(thread: i32) -> Duration {
    let path = format!("/proc/self/task/{thread}/stat");
    let stat = std::fs::read_to_string(path).expect("the thread lives");
    let (_, fields) = stat
        .rsplit_once(") ")
        .expect("stat names its thread in parentheses");
    // utime and stime are the 14th and 15th of all fields; the name was the second.
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("a number of ticks"))
        .sum();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

/// An empty working directory, for what a process may leave in it (core files);
/// removed when dropped.
#[derive(Debug)]
pub(crate) struct TemporaryDirectory {
    path: std::path::PathBuf,
    before: std::path::PathBuf,
}

impl TemporaryDirectory {
    pub(crate) fn enter() -> Self {
        let name = format!("childwatch-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a temporary directory");
        let before = std::env::current_dir().expect("a working directory");
        std::env::set_current_dir(&path).expect("the new directory");
        TemporaryDirectory { path, before }
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = std::env::set_current_dir(&self.before);
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Kills a child that hangs.
pub(crate) fn kill(pid: Pid) {
    let _ = rustix::process::kill_process(number(pid), rustix::process::Signal::KILL);
}

/// Starts a child that shares this process's memory and table of files, on a stack of
/// its own. It ends with what `body` returns.
///
/// # Safety
///
/// `top` is the upper end of a stack that outlives the child, and `argument` what
/// `body` wants. `body` shares this thread's thread-local storage, and must not use it.
pub(crate) unsafe fn clone_sharing_memory<T>(
    body: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    top: *mut u8,
    argument: *const T,
) -> io::Result<Pid> {
    // SAFETY: the caller's promise.
    let raw = unsafe {
        libc::clone(
            body,
            top.cast(),
            libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_FS | libc::SIGCHLD,
            argument.cast_mut().cast(),
        )
    };
    if raw == -1 {
        return Err(io::Error::last_os_error());
    }
    Pid::try_from(raw).map_err(io::Error::other)
}

/// Whether this user may have so many processes at once.
pub(crate) fn may_have_processes(wanted: u64) -> Result<(), String> {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let limits = [
        ("kernel.pid_max", read("/proc/sys/kernel/pid_max")),
        ("kernel.threads-max", read("/proc/sys/kernel/threads-max")),
        ("RLIMIT_NPROC", getrlimit(Resource::Nproc).current),
        ("the control group's pids.max", control_groups_pids_max()),
    ];
    for (name, limit) in limits {
        if let Some(limit) = limit.filter(|limit| *limit < wanted) {
            return Err(format!("{name} is {limit}, and {wanted} are needed"));
        }
    }
    Ok(())
}

/// The least of the limits from this process's control group up (version 2).
fn control_groups_pids_max() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    std::path::Path::new("/sys/fs/cgroup")
        .join(own)
        .ancestors()
        .take_while(|group| group.starts_with("/sys/fs/cgroup"))
        .filter_map(|group| std::fs::read_to_string(group.join("pids.max")).ok())
        .filter_map(|limit| limit.trim().parse().ok())
        .min()
}

/// What SIGCHLD does: its handler's address and its flags.
pub(crate) fn sigchld_disposition() -> (usize, i32) {
    dispositions()
        .into_iter()
        .find(|(signal, ..)| *signal == libc::SIGCHLD)
        .map(|(_, handler, flags)| (handler, flags))
        .expect("SIGCHLD has a disposition")
}

/// How often `count_child_signal` has run.
pub(crate) static CHILD_SIGNALS: std::sync::atomic::AtomicUsize =
    std::sync::atomic::AtomicUsize::new(0);

extern "C" fn count_child_signal(_signal: libc::c_int) {
    CHILD_SIGNALS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
}

impl SigchldAction {
    /// A handler of the program's own, which counts.
    pub(crate) fn counted() -> Self {
        Self::set(
            count_child_signal as *const () as libc::sighandler_t,
            libc::SA_RESTART,
        )
    }

    pub(crate) fn default_action() -> Self {
        Self::set(libc::SIG_DFL, 0)
    }
}

/// Blocks SIGCHLD on this thread, and on those that it makes.
pub(crate) fn block_sigchld() {
    // SAFETY: the set is initialised by sigemptyset, and lives across the calls.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
    }
}

/// How often a thread of this process has been switched to.
pub(crate) fn wakeups(thread: i32) -> u64 {
    let path = format!("/proc/self/task/{thread}/status");
    let status = std::fs::read_to_string(path).expect("the thread lives");
    status
        .lines()
        .filter(|line| line.contains("voluntary_ctxt_switches:"))
        .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
        .sum()
}

/// Whether this is Linux `major.minor` or later; its release if not.
pub(crate) fn kernel_is_at_least(major: u32, minor: u32) -> Result<(), String> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (major, minor) {
        Ok(())
    } else {
        Err(release.into_owned())
    }
}
