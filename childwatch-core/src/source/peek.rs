//! [`peek`]: the state of a child, asked without waiting and without reaping.
//!
//! The call is `waitid` as the kernel has it, with five arguments. The last one is a
//! `struct rusage`, which the C library's function and rustix (1.1) leave out. The kernel fills it
//! also with `WNOWAIT`, by `getrusage(RUSAGE_BOTH)` of the zombie (`wait_task_zombie` in
//! kernel/exit.c, since Linux 2.6.9; `ru_maxrss` since 2.6.32).
//!
//! The kernel asks `getrusage` after it has found the zombie and let go of its lock. If another
//! thread reaps the zombie in between, the structure is zero everywhere. It is that also where an
//! interpreter of system calls ignores the argument. No process that has run is without resident
//! memory, so zeros alone are no answer.

#![expect(unsafe_code, reason = "the system call `waitid` with a resource usage")]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::process::ExitStatus;
use std::ptr;
use std::time::Duration;

use crate::contract::pid::Pid;
use crate::contract::resource_usage::ResourceUsage;
use crate::source::siginfo::exit_status_from_siginfo;

/// The child that [`peek`] looks at.
#[derive(Clone, Copy, Debug)]
pub enum Peeked<'a> {
    /// The child with this pid.
    Pid(Pid),
    /// The child of this pidfd (Linux 5.4).
    Pidfd(BorrowedFd<'a>),
    /// Any child, to see whether `waitid` is permitted.
    Any,
}

/// What [`peek`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The exit status alone.
    Status,
    /// The exit status and the resource usage. The call takes about twice the time.
    Usage,
}

/// The end of a child that has not been reaped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// The resource usage, if it was asked for and the kernel returned it.
    pub usage: Option<Box<ResourceUsage>>,
}

impl Ended {
    /// Creates the end of a child with this status and this usage.
    #[must_use]
    pub const fn new(status: ExitStatus, usage: Option<Box<ResourceUsage>>) -> Self {
        Ended { status, usage }
    }
}

/// Looks for an exit of a child of any kind, without waiting and without reaping the child.
///
/// Returns `None` if the child is alive, or not waitable yet because a tracer holds it. `__WALL`
/// (in `waitid` since Linux 4.7) includes children whose exit signal is not `SIGCHLD`.
///
/// # Errors
///
/// Any error of the kernel: `ECHILD` if there is no such child or it has been reaped, `EBADF` if
/// the descriptor is no pidfd, `EINVAL` if the kernel is too old.
pub fn peek(child: Peeked<'_>, detail: Detail) -> io::Result<Option<Ended>> {
    const OPTIONS: libc::c_int = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let (kind, id) = match child {
        Peeked::Pid(pid) => (libc::P_PID, pid.as_raw()),
        Peeked::Pidfd(pidfd) => (libc::P_PIDFD, pidfd.as_raw_fd()),
        Peeked::Any => (libc::P_ALL, 0),
    };
    // SAFETY: zeros are a valid `siginfo_t`: integers and null pointers.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let mut usage = KernelUsage::default();
    let usage_place = match detail {
        Detail::Status => ptr::null_mut(),
        Detail::Usage => &raw mut usage,
    };
    // SAFETY: the kernel writes a `siginfo_t` and a structure of the layout of `KernelUsage`, which
    // both live across the call. A null pointer for the latter is permitted.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            kind,
            id,
            &raw mut info,
            OPTIONS,
            usage_place,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `waitid` has filled in the fields of a child, or left the zeros.
    let value = unsafe { info.si_status() };
    // If nothing was found, the code is 0, which is no exit.
    let status = exit_status_from_siginfo(info.si_code, value);
    Ok(status.map(|status| Ended {
        status,
        usage: match detail {
            Detail::Status => None,
            Detail::Usage => usage.known().map(Box::new),
        },
    }))
}

/// `__kernel_long_t`. The structure of the x32 interface is that of 64 bits.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "32"))]
type KernelLong = i64;
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "32")))]
type KernelLong = libc::c_long;

/// The microseconds of `__kernel_old_timeval`, which are an `int` on one architecture.
#[cfg(target_arch = "sparc64")]
type Microseconds = libc::c_int;
#[cfg(not(target_arch = "sparc64"))]
type Microseconds = KernelLong;

/// `struct rusage` of the kernel. That of a C library may differ: its times may have 64 bits where
/// the kernel's have 32, and musl's is longer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct KernelUsage {
    utime: KernelTime,
    stime: KernelTime,
    maxrss: KernelLong,
    /// `ixrss`, `idrss`, `isrss`: unused.
    sizes: [KernelLong; 3],
    minflt: KernelLong,
    majflt: KernelLong,
    /// Unused.
    nswap: KernelLong,
    inblock: KernelLong,
    oublock: KernelLong,
    /// `msgsnd`, `msgrcv`, `nsignals`: unused.
    messages: [KernelLong; 3],
    nvcsw: KernelLong,
    nivcsw: KernelLong,
}

// Two times and 14 numbers. The kernel's interface alone decides how long each is: 32 bits on i686,
// armv7 and their like, and 64 on x32 too.
const _: () = assert!(
    size_of::<KernelUsage>()
        == if cfg!(all(
            target_pointer_width = "32",
            not(target_arch = "x86_64")
        )) {
            72
        } else {
            144
        }
);

// The kernel writes 128 bytes on every architecture.
const _: () = assert!(size_of::<libc::siginfo_t>() == 128);

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct KernelTime {
    seconds: KernelLong,
    microseconds: Microseconds,
}

impl KernelUsage {
    /// The numbers, unless all are zero.
    fn known(&self) -> Option<ResourceUsage> {
        let usage = ResourceUsage {
            user_time: self.utime.duration(),
            system_time: self.stime.duration(),
            max_resident: count(self.maxrss).saturating_mul(1024),
            minor_faults: count(self.minflt),
            major_faults: count(self.majflt),
            input_blocks: count(self.inblock),
            output_blocks: count(self.oublock),
            voluntary_switches: count(self.nvcsw),
            involuntary_switches: count(self.nivcsw),
        };
        (usage != ResourceUsage::default()).then_some(usage)
    }
}

impl KernelTime {
    fn duration(self) -> Duration {
        let microseconds = u64::try_from(self.microseconds).unwrap_or(0);
        Duration::from_secs(count(self.seconds)).saturating_add(Duration::from_micros(microseconds))
    }
}

/// The kernel counts in unsigned numbers. In 32 bits they may come out negative.
fn count(number: KernelLong) -> u64 {
    #[cfg(target_pointer_width = "32")]
    #[cfg(not(target_arch = "x86_64"))]
    let number = number as u32;
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::{Child, Command};

    use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

    use super::*;

    /// A zombie that has used more than nothing.
    fn zombie() -> Child {
        let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )
        .unwrap();
        child
    }

    /// What `wait4` returns, in the structure of the C library.
    fn reap(child: &Child) -> libc::rusage {
        // SAFETY: zeros are a valid `rusage`.
        let mut usage: libc::rusage = unsafe { mem::zeroed() };
        let pid = Pid::from(child).as_raw();
        // SAFETY: the structure lives across the call.
        let reaped = unsafe { libc::wait4(pid, ptr::null_mut(), 0, &raw mut usage) };
        assert_eq!(reaped, pid);
        usage
    }

    fn time(time: libc::timeval) -> Duration {
        Duration::from_micros((time.tv_sec * 1_000_000 + time.tv_usec).try_into().unwrap())
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "`wait4` reaps it")]
    fn a_zombies_usage_is_what_wait4_then_counts() {
        let child = zombie();
        let pid = Pid::from(&child);
        let first = peek(Peeked::Pid(pid), Detail::Usage).unwrap().unwrap();
        let again = peek(Peeked::Pid(pid), Detail::Status).unwrap().unwrap();
        assert_eq!(again.status, first.status);
        assert_eq!(again.usage, None, "it was not asked for");
        let Some(usage) = first.usage else {
            eprintln!("not tested: waitid returns no usage here");
            let _ = reap(&child);
            return;
        };
        let reaped = reap(&child);
        let number = |number: libc::c_long| u64::try_from(number).unwrap();
        assert_eq!(usage.max_resident, 1024 * number(reaped.ru_maxrss));
        assert_eq!(usage.minor_faults, number(reaped.ru_minflt));
        assert_eq!(usage.major_faults, number(reaped.ru_majflt));
        assert_eq!(usage.input_blocks, number(reaped.ru_inblock));
        assert_eq!(usage.output_blocks, number(reaped.ru_oublock));
        // The last steps of the exit.
        let slack = Duration::from_millis(100);
        for (before, after) in [
            (usage.user_time, time(reaped.ru_utime)),
            (usage.system_time, time(reaped.ru_stime)),
        ] {
            assert!(before <= after && after <= before + slack);
        }
        for (before, after) in [
            (usage.voluntary_switches, number(reaped.ru_nvcsw)),
            (usage.involuntary_switches, number(reaped.ru_nivcsw)),
        ] {
            assert!(before <= after && after <= before + 8);
        }
        let gone = peek(Peeked::Pid(pid), Detail::Usage).unwrap_err();
        assert_eq!(gone.raw_os_error(), Some(libc::ECHILD));
    }

    #[test]
    fn a_pidfd_leads_to_the_same_child() {
        let mut child = zombie();
        let number = rustix::process::Pid::from_child(&child);
        let pidfd = pidfd_open(number, PidfdFlags::empty()).unwrap();
        let by_pid = peek(Peeked::Pid(Pid::from(&child)), Detail::Status).unwrap();
        let by_pidfd = peek(Peeked::Pidfd(pidfd.as_fd()), Detail::Status).unwrap();
        assert_eq!(by_pid, by_pidfd);
        assert_eq!(by_pid.unwrap().status, child.wait().unwrap());
    }

    #[test]
    fn a_live_child_has_not_ended() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let found = peek(Peeked::Pid(Pid::from(&child)), Detail::Usage);
        assert_eq!(found.unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_number_that_has_outgrown_31_bits_is_no_negative_one() {
        let expected = if size_of::<KernelLong>() == 4 {
            u64::from(u32::MAX)
        } else {
            0
        };
        assert_eq!(count(-1), expected);
    }

    #[test]
    fn zeros_are_no_answer() {
        assert_eq!(KernelUsage::default().known(), None);
        let usage = KernelUsage {
            maxrss: 3,
            utime: KernelTime {
                seconds: 2,
                microseconds: 500_000,
            },
            ..KernelUsage::default()
        };
        let known = usage.known().unwrap();
        assert_eq!(known.max_resident, 3072);
        assert_eq!(known.user_time, Duration::from_millis(2500));
        assert_eq!(known.processor_time(), Duration::from_millis(2500));
    }
}
