//! What `waitid` tells of exits.

use std::process::ExitStatus;

use rustix::process::{WaitIdOptions, WaitIdStatus};

/// Exits of any kind of child (`__WALL`: also of one that sends no signal), without
/// reaping it.
pub(super) fn options() -> WaitIdOptions {
    const WALL: u32 = 0x4000_0000;
    WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::from_bits_retain(WALL)
}

/// `None` if it tells of no exit.
pub(super) fn of(exit: &WaitIdStatus) -> Option<ExitStatus> {
    let status = exit.exit_status().or_else(|| exit.terminating_signal())?;
    childwatch_core::exit_status(exit.raw_code(), status)
}
