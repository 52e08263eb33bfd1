//! [`Order`]: which cells to run and how, on this kernel or on that of a guest.

use std::env;
use std::time::Duration;

use anyhow::Context;
use childwatch_ptrace_free_tests::{Cell, Sandbox};
use serde::{Deserialize, Serialize};

use super::busy::Busy;
use super::report::{CellReport, Run};
use super::run::{self, Plan, Planned};
use crate::parallelism::parallelism;

/// The parts of the command line that concern the runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    #[serde(with = "names")]
    pub(crate) cells: Vec<Cell<'static>>,
    #[serde(with = "super::sandbox")]
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) repeats: usize,
    pub(crate) jobs: usize,
    pub(crate) deadline: Duration,
    /// `true` to keep every processor busy meanwhile.
    pub(crate) busy: bool,
}

impl Order {
    /// Runs all cells on this kernel. Calls `tell` after each run, with the index of its
    /// cell. This process enters the order's sandbox and stays in it. The cells inherit the
    /// sandbox, and their needs are checked in it.
    pub(crate) fn run(&self, tell: impl FnMut(usize, &Run)) -> anyhow::Result<Vec<CellReport>> {
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
    pub(crate) fn runs(&self) -> usize {
        self.cells.len() * self.repeats
    }
}

/// Writes cells as the names of their backend and case.
mod names {
    use childwatch_proofs::backends;
    use childwatch_ptrace_free_tests::{Case, Cell};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        cells: &[Cell<'static>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let name = |cell: &Cell<'static>| (cell.backend.name(), cell.case.name);
        cells
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Cell<'static>>, D::Error> {
        let names = Vec::<(String, String)>::deserialize(deserializer)?;
        let cell = |(backend, case): (String, String)| {
            cell(&backend, &case)
                .ok_or_else(|| D::Error::custom(format!("no case {case} against {backend} here")))
        };
        names.into_iter().map(cell).collect()
    }

    fn cell(backend: &str, case: &str) -> Option<Cell<'static>> {
        let mut backends = backends::ALL.iter().copied();
        Some(Cell {
            backend: backends.find(|known| known.name() == backend)?,
            case: Case::named(case)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use childwatch_proofs::backends;
    use childwatch_ptrace_free_tests::CASES;

    use super::*;

    #[test]
    fn an_order_travels_by_the_names_of_its_cells() {
        let order = Order {
            cells: vec![Cell {
                backend: backends::ALL[0],
                case: &CASES[0],
            }],
            sandbox: Some(Sandbox::NoPidfd),
            repeats: 3,
            jobs: 2,
            deadline: Duration::from_secs(240),
            busy: false,
        };
        let json = serde_json::to_string(&order).unwrap();
        let read: Order = serde_json::from_str(&json).unwrap();
        assert_eq!(format!("{read:?}"), format!("{order:?}"));
        assert_eq!(read.runs(), 3);
    }

    #[test]
    fn a_cell_that_is_not_here_is_named() {
        let json = r#"{"cells":[["kqueue","a_case"]],"sandbox":null,"repeats":1,"jobs":1,"deadline":{"secs":1,"nanos":0},"busy":false}"#;
        let error = serde_json::from_str::<Order>(json).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no case a_case against kqueue here"),
            "{error}"
        );
    }
}
