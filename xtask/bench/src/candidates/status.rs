//! The status in what `waitid` tells.

use std::process::ExitStatus;

use rustix::process::WaitIdStatus;

/// `None` if it tells of no exit.
pub(super) fn of(exit: &WaitIdStatus) -> Option<ExitStatus> {
    let status = exit.exit_status().or_else(|| exit.terminating_signal())?;
    childwatch_core::exit_status(exit.raw_code(), status)
}
