//! Every broken watcher fails the cases named for its faults, in the way named,
//! and passes the others named for it.

#![forbid(unsafe_code)]

use std::path::Path;
use std::time::Duration;

use childwatch_ptrace_free_tests::broken::{ALL, Broken, Fails};
use childwatch_ptrace_free_tests::{Case, Cell, Outcome};
use rstest::rstest;

/// Long enough for what passes, and short for what hangs: a broken watcher's
/// case that waits in vain fails after a quarter of it.
const DEADLINE: Duration = Duration::from_secs(16);

#[rstest]
fn a_broken_watcher_fails_the_cases_of_its_faults(#[values(0, 1)] index: usize) {
    let broken = &ALL[index];
    let expected = broken
        .fails
        .iter()
        .map(|&(case, fails)| (case, Some(fails)))
        .chain(broken.passes.iter().map(|&case| (case, None)));
    let surprises: Vec<_> = std::thread::scope(|scope| {
        let cells: Vec<_> = expected
            .map(|(case, fails)| scope.spawn(move || surprise(broken, case, fails)))
            .collect();
        cells
            .into_iter()
            .filter_map(|cell| cell.join().expect("a cell"))
            .collect()
    });
    assert!(surprises.is_empty(), "{}", surprises.join("\n\n"));
}

/// What came of a case, if that is not what was expected.
fn surprise(broken: &Broken, case: &str, expected: Option<Fails>) -> Option<String> {
    let outcome = run(broken, case);
    match (&outcome, expected) {
        (Outcome::Failed(reason), Some(Fails::Saying(text))) if reason.contains(text) => None,
        (Outcome::TimedOut, Some(Fails::ByHanging)) | (Outcome::Passed, None) => None,
        // It can't run here.
        (Outcome::Unsupported(reason), _) => {
            println!("– {case}: {reason}");
            None
        }
        _ => Some(format!(
            "{case}: {expected:?} was expected, not {outcome:?}"
        )),
    }
}

#[test]
fn every_broken_watcher_is_tested() {
    assert_eq!(ALL.len(), 2);
}

fn run(broken: &Broken, case: &str) -> Outcome {
    let cell = Cell {
        backend: broken.backend,
        case: Case::named(case).expect("the case of a fault is in the list"),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_childwatch-conformance"));
    cell.run(program, DEADLINE).expect("a cell").outcome
}
