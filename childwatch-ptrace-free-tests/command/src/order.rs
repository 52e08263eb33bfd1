//! [`Order`]: which cells to run and how, on this kernel or on that of a guest.

use std::env;
use std::time::Duration;

use anyhow::Context;
use childwatch_ptrace_free_tests::{Cell, Sandbox};

use crate::busy::Busy;
use crate::parallelism::parallelism;
use crate::report::{CellReport, Run};
use crate::run::{self, Plan, Planned};

/// The parts of the command line that concern the runs.
#[derive(Debug)]
pub struct Order {
    pub cells: Vec<Cell<'static>>,
    pub sandbox: Option<Sandbox>,
    pub repeats: usize,
    pub jobs: usize,
    pub deadline: Duration,
    /// `true` to keep every processor busy meanwhile.
    pub busy: bool,
}

impl Order {
    /// Runs all cells on this kernel. Calls `tell` after each run, with the index of its
    /// cell. This process enters the order's sandbox and stays in it. The cells inherit the
    /// sandbox, and their needs are checked in it.
    pub fn run(&self, tell: impl FnMut(usize, &Run)) -> anyhow::Result<Vec<CellReport>> {
        if let Some(sandbox) = self.sandbox {
            let applied = sandbox.apply().map_err(anyhow::Error::msg);
            applied.with_context(|| format!("the sandbox {} is not available", sandbox.name()))?;
        }
        let plan = Plan {
            program: env::current_exe().context("this program's own file can't be found")?,
            cells: self.cells.iter().copied().map(Planned::new).collect(),
            repeats: self.repeats,
            jobs: self.jobs,
            deadline: self.deadline,
        };
        let _busy = self.busy.then(|| Busy::start(parallelism()));
        Ok(run::run(&plan, tell))
    }

    /// Returns the number of runs.
    pub fn runs(&self) -> usize {
        self.cells.len() * self.repeats
    }
}
