//! Every watcher with a permitted oddity passes every case that it says it supports.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use childwatch_proofs::odd;
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;
use childwatch_ptrace_free_tests::{CASES, Cell, Outcome};
use libtest_mimic::{Arguments, Failed, Trial};

/// Most cells wait for a child or for a report that comes late, and not for a core.
const CELLS_AT_A_TIME: usize = 12;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(CELLS_AT_A_TIME);
    let trials = odd::ALL.iter().flat_map(|backend| {
        let cells = CASES.iter().map(move |case| Cell { backend, case });
        cells.map(trial)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// What cannot be shown here is ignored, with the reason.
fn trial(cell: Cell<'static>) -> Trial {
    let name = format!("{}::{}", cell.backend.name(), cell.case.name);
    let (name, is_ignored) = match cell.case.is_supported(cell.backend) {
        Ok(()) => (name, false),
        Err(reason) => (format!("{name} – {reason}"), true),
    };
    Trial::test(name, move || passes(cell))
        .with_kind(cell.case.clause.to_string())
        .with_ignored_flag(is_ignored)
}

fn passes(cell: Cell<'static>) -> Result<(), Failed> {
    let program = Path::new(env!("CARGO_BIN_EXE_childwatch-conformance"));
    match cell.run(program, DEADLINE)?.outcome {
        Outcome::Passed => Ok(()),
        Outcome::Failed(reason) => Err(reason.into()),
        other => Err(format!("{other:?}").into()),
    }
}
