//! `PIDFD_GET_INFO`: the status of a process that has been reaped.
//!
//! The ioctl exists since Linux 6.13. Since Linux 6.15 it returns the exit status of
//! any process (`PIDFD_INFO_EXIT`), but only after the kernel has stored it. The kernel
//! stores it when it releases the process, which is after the process has been reaped.
//! Before 6.13 the ioctl fails with `ENOTTY`. In 6.13 and 6.14 the bit is missing.

#![expect(unsafe_code, reason = "the ioctl `PIDFD_GET_INFO`")]

use std::mem;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// `PIDFD_INFO_PID` of `<linux/pidfd.h>`: `pid`, `tgid` and `ppid` are filled in.
const INFO_PID: u64 = 1 << 0;

/// `PIDFD_INFO_EXIT` of `<linux/pidfd.h>`.
const INFO_EXIT: u64 = 1 << 3;

/// `struct pidfd_info` of `<linux/pidfd.h>`, as of its first version; later
/// kernels append fields and still accept this size.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct PidfdInfo {
    mask: u64,
    cgroupid: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

const GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xff, 11);

// The same on every architecture: an `u64` needs no padding here, whether it is aligned to 4 or 8
// bytes. `_IOWR` of MIPS, PowerPC and SPARC has other bits, whose sum is the same for this opcode.
const _: () = assert!(mem::size_of::<PidfdInfo>() == 64);
const _: () = assert!(mem::offset_of!(PidfdInfo, ppid) == 24);
const _: () = assert!(mem::offset_of!(PidfdInfo, exit_code) == 60);
const _: () = assert!(GET_INFO == 0xC040_FF0B);

/// What the kernel returns about a process that has exited and cannot be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitInfo {
    /// The process has been released, and this was its status.
    Status(ExitStatus),
    /// The process is still in the kernel's table, as a child of `parent`, and its
    /// status is not stored yet.
    Unreleased {
        /// The parent's pid in the pid namespace of the caller.
        parent: u32,
    },
    /// The kernel does not return the status, now or later.
    Unknown,
}

/// Asks for the status of a process that has exited and cannot be waited for.
pub(crate) fn exit_info(pidfd: impl AsFd) -> ExitInfo {
    exit_info_by(|| get(&pidfd, INFO_EXIT))
}

/// The status of a process that has been reaped, if the kernel returns it.
pub(crate) fn status(pidfd: impl AsFd) -> Option<ExitStatus> {
    match exit_info(pidfd) {
        ExitInfo::Status(status) => Some(status),
        ExitInfo::Unreleased { .. } | ExitInfo::Unknown => None,
    }
}

fn exit_info_by(ask: impl Fn() -> Result<PidfdInfo, Errno>) -> ExitInfo {
    let answer = match ask() {
        // The call found the process and then lost it, because the kernel was removing it from
        // the table. The status had been stored before that.
        Err(Errno::SRCH) => ask(),
        first => first,
    };
    match answer {
        Ok(info) if info.mask & INFO_EXIT != 0 => {
            ExitInfo::Status(ExitStatus::from_raw(info.exit_code))
        }
        Ok(info) if info.mask & INFO_PID != 0 => ExitInfo::Unreleased { parent: info.ppid },
        // In 6.13 and 6.14 a released process has no entry (ESRCH). A process whose
        // parent lives outside our pid namespace is ESRCH too. Anything else is an
        // older kernel, or a sandbox.
        Ok(_) | Err(_) => ExitInfo::Unknown,
    }
}

/// What the kernel returns about the pid of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// In the pid namespace of the caller.
    Pid(u32),
    /// The process has been reaped.
    Reaped,
}

/// Asks for the pid of a process. `ESRCH` means that it has been reaped, or that the process or its
/// parent has no pid in the pid namespace of the caller.
pub(crate) fn number(pidfd: impl AsFd) -> Result<Number, Errno> {
    match get(pidfd, INFO_PID | INFO_EXIT)? {
        info if info.mask & INFO_PID != 0 => Ok(Number::Pid(info.tgid)),
        info if info.mask & INFO_EXIT != 0 => Ok(Number::Reaped),
        _ => Err(Errno::SRCH),
    }
}

/// Returns an error if the kernel does not know the ioctl. Any pidfd will do to find out.
pub(crate) fn check(pidfd: impl AsFd) -> Result<(), Errno> {
    get(pidfd, 0).map(drop)
}

fn get(pidfd: impl AsFd, mask: u64) -> Result<PidfdInfo, Errno> {
    let mut info = PidfdInfo {
        mask,
        ..PidfdInfo::default()
    };
    // SAFETY: the opcode is PIDFD_GET_INFO (asserted above), whose argument is this
    // structure (its size asserted too), and the fd is a pidfd.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, PidfdInfo>::new(&mut info)) }?;
    Ok(info)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::fd::OwnedFd;
    use std::process::{Child, Command};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use rustix::system::uname;

    use super::*;

    fn pidfd(child: &Child) -> OwnedFd {
        let number = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        pidfd_open(number, PidfdFlags::empty()).unwrap()
    }

    fn kernel_is_at_least(major: u32, minor: u32) -> bool {
        let release = uname().release().to_string_lossy().into_owned();
        let mut numbers = release
            .split(['.', '-'])
            .map_while(|part| part.parse().ok());
        (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
    }

    #[test]
    fn the_status_is_told_once_somebody_has_reaped_the_process() {
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pidfd = pidfd(&child);
        // Alive, or a zombie. Older kernels do not know the ioctl.
        let parent = std::process::id();
        let before = if kernel_is_at_least(6, 13) {
            ExitInfo::Unreleased { parent }
        } else {
            ExitInfo::Unknown
        };
        assert_eq!(exit_info(&pidfd), before);
        let reaped = child.wait().unwrap();
        let after = if kernel_is_at_least(6, 15) {
            ExitInfo::Status(reaped)
        } else {
            ExitInfo::Unknown
        };
        assert_eq!(exit_info(&pidfd), after);
    }

    #[test]
    fn a_process_that_is_lost_halfway_is_asked_about_once_more() {
        let asked = Cell::new(0);
        let ask = |answers: [Result<PidfdInfo, Errno>; 2]| {
            asked.set(0);
            exit_info_by(|| answers[asked.replace(asked.get() + 1)])
        };
        let stored = PidfdInfo {
            mask: INFO_EXIT,
            exit_code: 7 << 8,
            ..PidfdInfo::default()
        };
        let lost = Err(Errno::SRCH);
        let status = ExitInfo::Status(ExitStatus::from_raw(7 << 8));
        assert_eq!(ask([lost, Ok(stored)]), status);
        assert_eq!(ask([lost, lost]), ExitInfo::Unknown);
        // Every other error is permanent, so the call is not repeated.
        assert_eq!(ask([Err(Errno::NOTTY), Ok(stored)]), ExitInfo::Unknown);
        assert_eq!(asked.get(), 1);
    }

    /// The kernel stores the status before it removes the process from its table.
    #[test]
    fn a_process_that_still_has_a_number_and_has_a_status_is_told_with_it() {
        let both = PidfdInfo {
            mask: INFO_PID | INFO_EXIT,
            ppid: 12,
            exit_code: 7 << 8,
            ..PidfdInfo::default()
        };
        let status = ExitInfo::Status(ExitStatus::from_raw(7 << 8));
        assert_eq!(exit_info_by(|| Ok(both)), status);
    }

    #[test]
    fn the_parent_of_a_stranger_is_another_process() {
        let own_parent = rustix::process::getppid().unwrap();
        let stranger = pidfd_open(own_parent, PidfdFlags::empty()).unwrap();
        let own = std::process::id();
        assert_ne!(exit_info(&stranger), ExitInfo::Unreleased { parent: own });
    }

    #[test]
    fn the_kernel_answers_for_a_pidfd_or_not_at_all() {
        let mut child = Command::new("true").spawn().unwrap();
        let pidfd = pidfd(&child);
        let known = if kernel_is_at_least(6, 13) {
            Ok(())
        } else {
            Err(Errno::NOTTY)
        };
        assert_eq!(check(&pidfd), known);
        let no_pidfd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert_eq!(check(&no_pidfd), Err(Errno::NOTTY));
        child.wait().unwrap();
    }
}
