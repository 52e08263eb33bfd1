//! The fronts' shared part: turning a program into a cell, an actor, or a test runner.

use std::env;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::backend::availability;
use crate::backend::under_test::BackendUnderTest;
use crate::cases::CASES;
use crate::hosts::CASES_OF_HOSTS;
use crate::kit::actor;
use crate::kit::deadline::DEADLINE;
use crate::kit::judged::Outcome;

use cell::Cell;

pub mod cell;
pub mod closed_pipe;
pub mod laws;
mod named;

/// Becomes the cell or actor that this process was started to be, and never returns then. A
/// runner calls it first in `main`.
pub fn take_part(backends: &[&'static dyn BackendUnderTest]) {
    if let Some(role) = actor::from_args() {
        role.play();
    }
    if let Some(cell) = cell::from_args(backends) {
        cell.run_here();
    }
    availability::take_part(backends);
}

/// A test runner with the arguments of any Rust test: every case against every one of
/// `backends`, and every one of them in every host. It is the whole `main` of a test target
/// with `harness = false`.
#[must_use]
pub fn main(backends: &'static [&'static dyn BackendUnderTest]) -> ExitCode {
    take_part(backends);
    closed_pipe::end_quietly();
    let arguments = Arguments::from_args();
    let trials = backends
        .iter()
        .flat_map(|&backend| {
            let cases = CASES.iter().chain(CASES_OF_HOSTS);
            cases.map(move |case| trial(Cell { backend, case }))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// An unsupported case is shown as ignored, with its reason.
fn trial(cell: Cell<'static>) -> Trial {
    let name = format!("{}::{}", cell.backend.name(), cell.case.name);
    match cell.case.is_supported(cell.backend) {
        Ok(()) => Trial::test(name, move || run(&cell)).with_kind(cell.case.clause.to_string()),
        Err(reason) => Trial::test(format!("{name} – {reason}"), move || run(&cell))
            .with_kind(cell.case.clause.to_string())
            .with_ignored_flag(true),
    }
}

fn run(cell: &Cell<'_>) -> Result<(), Failed> {
    let program = env::current_exe()?;
    let verdict = cell.run(&program, DEADLINE)?;
    let with_notes = |reason: &str| format!("{reason}\n\n{}", cell.notes(&program, DEADLINE));
    match verdict.outcome {
        Outcome::Passed => Ok(()),
        Outcome::Failed(reason) => Err(with_notes(&reason).into()),
        Outcome::TimedOut => Err(with_notes(&format!("killed after {:?}", verdict.elapsed)).into()),
        Outcome::Unsupported(reason) => Err(format!("unsupported after all: {reason}").into()),
    }
}

/// The `main` of a conformance test for backends of your own: values of types
/// that implement [`BackendUnderTest`].
#[macro_export]
macro_rules! conformance_main {
    ($($backend:expr),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::front::main(&[$(&$backend),+])
        }
    };
}
