//! [`Raised`]: a higher `kernel.pid_max` during a run.
//!
//! A private pid namespace does not help. A process has a pid in every namespace around its
//! own too, and therefore the lowest `kernel.pid_max` of them limits it. The run raises the
//! limit of its own namespace, and restores it however the run ends. Before Linux 6.14 the
//! whole machine has a single limit.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::plan::MOST_PROCESSES;
use crate::measuring::limits::{PID_MAX, read};

/// While it lives, there are pids for [`MOST_PROCESSES`] more.
pub(crate) struct Raised {
    /// Restores the limit when the other end of its standard input is closed: by our drop, or
    /// by the kernel if this process is killed.
    keeper: Option<Child>,
}

/// It runs in a process group of its own, which Ctrl-C at the terminal does not reach.
const KEEP: &str = "cat; echo $0 > /proc/sys/kernel/pid_max";

impl Raised {
    pub(crate) fn raise() -> anyhow::Result<Self> {
        let found = read(PID_MAX).context("no /proc/sys/kernel/pid_max")?;
        // Twice as many, because the machine has other processes.
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
            // An error changes nothing: only the limit shows whether it was restored.
            let _ = keeper.wait();
        }
    }
}
