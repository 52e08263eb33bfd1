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
