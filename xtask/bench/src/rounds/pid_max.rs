//! [`Raised`]: more numbers for processes than the machine gives, for the time of a run.
//!
//! A private pid namespace does not help: each process has a number in every namespace
//! around its own as well, so the least `kernel.pid_max` of them all binds. What has to be
//! raised is that of the namespace that the run finds itself in (from Linux 6.14 on; before,
//! the whole machine has one), and put back however the run ends.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::plan::MOST_PROCESSES;
use crate::measuring::limits::{PID_MAX, read};

/// While this lives there are numbers for [`MOST_PROCESSES`] more.
pub(crate) struct Raised {
    /// Puts the limit back when the other end of its standard input is closed: by our drop,
    /// or by the kernel when this process has been killed.
    keeper: Option<Child>,
}

/// In a process group of its own, which Ctrl-C at the terminal does not reach.
const KEEP: &str = "cat; echo $0 > /proc/sys/kernel/pid_max";

impl Raised {
    pub(crate) fn raise() -> anyhow::Result<Self> {
        let found = read(PID_MAX).context("no /proc/sys/kernel/pid_max")?;
        // As many again, for those that the machine has.
        let wanted = 2 * MOST_PROCESSES;
        if found >= wanted {
            return Ok(Raised { keeper: None });
        }
        let keeper = Command::new("sh")
            .args(["-c", KEEP, &found.to_string()])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let raised = Raised {
            keeper: Some(keeper),
        };
        fs::write(PID_MAX, wanted.to_string()).context("kernel.pid_max can't be raised")?;
        Ok(raised)
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            drop(keeper.stdin.take());
            // Whether it could be put back is to be seen in the limit alone.
            let _ = keeper.wait();
        }
    }
}
