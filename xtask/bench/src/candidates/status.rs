//! The exits and statuses that `waitid` returns.

use std::os::fd::BorrowedFd;
use std::process::ExitStatus;

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

/// The options for the exits of all children, without reaping them. `__WALL` includes children
/// that send no signal.
pub(super) fn options() -> WaitIdOptions {
    const WALL: u32 = 0x4000_0000;
    WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::from_bits_retain(WALL)
}

/// Returns `None` if the status is not that of an exit.
pub(super) fn of(exit: &WaitIdStatus) -> Option<ExitStatus> {
    let status = exit.exit_status().or_else(|| exit.terminating_signal())?;
    childwatch_core::source::exit_status_from_siginfo(exit.raw_code(), status)
}

/// Asks for the status of the process of a pidfd, which has exited.
pub(super) fn ask(pidfd: BorrowedFd<'_>) -> Option<ExitStatus> {
    let options = options() | WaitIdOptions::NOHANG;
    let exit = waitid(WaitId::PidFd(pidfd), options).ok()??;
    of(&exit)
}
