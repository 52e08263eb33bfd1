//! `PIDFD_GET_INFO`: the status of a process that has been reaped.
//!
//! The ioctl is Linux 6.13; it tells exit statuses (`PIDFD_INFO_EXIT`) from 6.15
//! on, for any process, and only once it has been reaped. Older kernels answer
//! `ENOTTY`, or leave the bit out of the mask.

#![expect(unsafe_code, reason = "the ioctl `PIDFD_GET_INFO`")]

use std::mem;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

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

const _: () = assert!(mem::size_of::<PidfdInfo>() == 64);
const _: () = assert!(GET_INFO == 0xC040_FF0B);

/// The status of the process behind a pidfd, if it was reaped and the kernel
/// tells.
pub(crate) fn exit_status(pidfd: &OwnedFd) -> Option<ExitStatus> {
    let info = get(pidfd, INFO_EXIT).ok()?;
    (info.mask & INFO_EXIT != 0).then(|| ExitStatus::from_raw(info.exit_code))
}

/// Whether the kernel knows the ioctl, asked of any pidfd.
pub(crate) fn is_known(pidfd: &OwnedFd) -> Result<(), Errno> {
    get(pidfd, 0).map(drop)
}

fn get(pidfd: &OwnedFd, mask: u64) -> Result<PidfdInfo, Errno> {
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
        assert_eq!(exit_status(&pidfd), None, "alive, or a zombie");
        let reaped = child.wait().unwrap();
        // Older kernels keep it to themselves.
        let known = kernel_is_at_least(6, 15).then_some(reaped);
        assert_eq!(exit_status(&pidfd), known);
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
        assert_eq!(is_known(&pidfd), known);
        let no_pidfd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert_eq!(is_known(&no_pidfd), Err(Errno::NOTTY));
        child.wait().unwrap();
    }
}
