//! The exits and statuses that `waitid` returns.

use std::process::ExitStatus;

use rustix::process::{WaitIdOptions, WaitIdStatus};

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
