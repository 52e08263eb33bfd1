//! [`Written`]: an order as the file that lies beside the guest's program.

use std::time::Duration;

use anyhow::Context;
use childwatch_command::order::Order;
use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::{Case, Cell, Sandbox};
use serde::{Deserialize, Serialize};

/// An order by the names of its backends, cases and sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Written {
    cells: Vec<(String, String)>,
    sandbox: Option<String>,
    repeats: usize,
    jobs: usize,
    deadline: Duration,
    busy: bool,
}

impl Written {
    pub(super) fn of(order: &Order) -> Self {
        let cells = order.cells.iter();
        let names = |cell: &Cell<'_>| (cell.backend.name().to_owned(), cell.case.name.to_owned());
        Written {
            cells: cells.map(names).collect(),
            sandbox: order.sandbox.map(|sandbox| sandbox.name().to_owned()),
            repeats: order.repeats,
            jobs: order.jobs,
            deadline: order.deadline,
            busy: order.busy,
        }
    }

    /// Finds what the names mean in this program.
    pub(super) fn read(&self) -> anyhow::Result<Order> {
        let cells = self.cells.iter().map(|(backend, case)| {
            cell(backend, case).with_context(|| format!("no case {case} against {backend} here"))
        });
        Ok(Order {
            cells: cells.collect::<anyhow::Result<_>>()?,
            sandbox: self.sandbox.as_deref().map(sandbox).transpose()?,
            repeats: self.repeats,
            jobs: self.jobs,
            deadline: self.deadline,
            busy: self.busy,
        })
    }
}

fn cell(backend: &str, case: &str) -> Option<Cell<'static>> {
    let mut backends = backends::ALL.iter().copied();
    Some(Cell {
        backend: backends.find(|known| known.name() == backend)?,
        case: Case::named(case)?,
    })
}

fn sandbox(name: &str) -> anyhow::Result<Sandbox> {
    let mut all = Sandbox::ALL.iter().copied();
    all.find(|sandbox| sandbox.name() == name)
        .with_context(|| format!("{name:?} is no sandbox"))
}

#[cfg(test)]
mod tests {
    use childwatch_ptrace_free_tests::CASES;

    use super::*;

    #[test]
    fn an_order_travels_by_names() {
        for sandbox in Sandbox::ALL {
            let order = Order {
                cells: vec![Cell {
                    backend: backends::ALL[0],
                    case: &CASES[0],
                }],
                sandbox: Some(*sandbox),
                repeats: 3,
                jobs: 2,
                deadline: Duration::from_secs(240),
                busy: false,
            };
            let json = serde_json::to_string(&Written::of(&order)).unwrap();
            let written: Written = serde_json::from_str(&json).unwrap();
            let read = written.read().unwrap();
            assert_eq!(format!("{read:?}"), format!("{order:?}"));
            assert_eq!(read.runs(), 3);
        }
    }

    #[test]
    fn a_cell_that_is_not_here_is_named() {
        let json = r#"{"cells":[["kqueue","a_case"]],"sandbox":null,"repeats":1,"jobs":1,"deadline":{"secs":1,"nanos":0},"busy":false}"#;
        let written: Written = serde_json::from_str(json).unwrap();
        let error = written.read().unwrap_err();
        assert_eq!(error.to_string(), "no case a_case against kqueue here");
    }
}
