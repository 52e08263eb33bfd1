//! How children leave it: waiting for them, with and without reaping.

#![expect(
    unsafe_code,
    reason = "`waitid` of any child, which tells its pid, and with a usage; `wait4`"
)]

use std::io;
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::ptr;
use std::time::{Duration, Instant};

use childwatch_core::{Pid, ResourceUsage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions, pidfd_open, waitid, waitpid,
};

pub(crate) fn wall() -> WaitOptions {
    WaitOptions::from_bits_retain(libc::__WALL as u32)
}

fn wall_id() -> WaitIdOptions {
    WaitIdOptions::from_bits_retain(libc::__WALL as u32)
}

pub(super) fn number(pid: Pid) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid is positive")
}

/// Waits until a child is a zombie, without reaping it; or gone, if it is.
pub(crate) fn confirm_dead(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | wall_id();
    while let Err(Errno::INTR) = waitid(WaitId::Pid(number(pid)), options) {}
}

/// Reaps a child. Returns its status, or `None` if somebody else has reaped it.
pub fn reap(pid: Pid) -> Option<ExitStatus> {
    loop {
        match waitpid(Some(number(pid)), wall()) {
            Ok(Some((_, status))) => return Some(ExitStatus::from_raw(status.as_raw())),
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Reaps a child by `wait4`. Returns its status and usage, or `None` if somebody else has reaped
/// it.
pub(crate) fn reap_with_usage(pid: Pid) -> Option<(ExitStatus, ResourceUsage)> {
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage.
    let mut reaped: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: both values live across the call.
    let found =
        unsafe { libc::wait4(pid.as_raw(), &raw mut status, libc::__WALL, &raw mut reaped) };
    if found != pid.as_raw() {
        return None;
    }
    let time = |time: libc::timeval| {
        Duration::from_secs(count(time.tv_sec)) + Duration::from_micros(count(time.tv_usec))
    };
    let mut usage = ResourceUsage::default();
    usage.user_time = time(reaped.ru_utime);
    usage.system_time = time(reaped.ru_stime);
    usage.max_resident = count(reaped.ru_maxrss) * 1024;
    usage.minor_faults = count(reaped.ru_minflt);
    usage.major_faults = count(reaped.ru_majflt);
    usage.input_blocks = count(reaped.ru_inblock);
    usage.output_blocks = count(reaped.ru_oublock);
    usage.voluntary_switches = count(reaped.ru_nvcsw);
    usage.involuntary_switches = count(reaped.ru_nivcsw);
    Some((ExitStatus::from_raw(status), usage))
}

fn count(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(0)
}

/// Returns `true` if `waitid` returns the resource usage of a child that it does not reap.
pub(crate) fn usage_is_returned_before_reaping() -> bool {
    let Ok(mut child) = Command::new("true").spawn() else {
        return false;
    };
    // More than any kernel's rusage has.
    let mut usage = [0_u64; 64];
    // SAFETY: the kernel writes at most the usage, which is shorter than the array. Where no
    // siginfo is wanted, null is allowed.
    unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PID,
            child.id(),
            ptr::null_mut::<libc::siginfo_t>(),
            libc::WEXITED | libc::WNOWAIT,
            &raw mut usage,
        );
    }
    let _ = child.wait();
    usage.iter().any(|number| *number != 0)
}

/// Returns the state that `waitid` reports at this moment, and leaves it there.
fn peek(id: WaitId<'_>) -> rustix::io::Result<Option<WaitIdStatus>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    waitid(id, options | wall_id())
}

/// Returns `true` if a child can be waited for at this moment. Does not reap it.
#[must_use]
pub fn is_waitable(pid: Pid) -> bool {
    matches!(peek(WaitId::Pid(number(pid))), Ok(Some(_)))
}

/// Returns the first zombie in the kernel's list of this process's children.
#[must_use]
pub fn first_zombie() -> Option<Pid> {
    // SAFETY: all zeros is a valid siginfo_t, which lives across the call; its pid may
    // be read of what waitid has filled in, and is 0 otherwise.
    let pid = unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        let options = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG | libc::__WALL;
        libc::waitid(libc::P_ALL, 0, &raw mut info, options);
        info.si_pid()
    };
    Pid::try_from(pid).ok()
}

/// Returns `true` if a pid is a child's, dead or alive.
#[must_use]
pub fn is_child(pid: Pid) -> bool {
    peek(WaitId::Pid(number(pid))).is_ok()
}

pub(crate) fn has_children() -> bool {
    !matches!(peek(WaitId::All), Err(Errno::CHILD))
}

/// Waits until a child can be waited for, `limit` at most; whether it can.
pub(crate) fn waitable_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let end = Instant::now() + limit;
    let pidfd = match pidfd_open(number(Pid::from(child)), PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        // Without pidfds, ask again and again.
        Err(_) => {
            return Ok(crate::kit::deadline::holds_within(limit, || {
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

/// Returns `true` if a process is a zombie, traced or not.
#[must_use]
pub fn is_zombie(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// Kills a child that hangs.
pub fn kill(pid: Pid) {
    let _ = rustix::process::kill_process(number(pid), rustix::process::Signal::KILL);
}

/// Sends a signal to a process, unless it is gone.
pub(crate) fn send(pid: Pid, signal: i32) {
    let signal = rustix::process::Signal::from_named_raw(signal).expect("a signal with a name");
    let _ = rustix::process::kill_process(number(pid), signal);
}

/// Asks a process to end.
pub(crate) fn terminate(pid: Pid) {
    let _ = rustix::process::kill_process(number(pid), rustix::process::Signal::TERM);
}

/// Stops a child, and waits until it is stopped.
pub fn stop(pid: Pid) {
    let _ = rustix::process::kill_process(number(pid), rustix::process::Signal::STOP);
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(Errno::INTR) = waitid(WaitId::Pid(number(pid)), options | wall_id()) {}
}

/// Continues a stopped child.
pub fn continue_(pid: Pid) {
    let _ = rustix::process::kill_process(number(pid), rustix::process::Signal::CONT);
}
