//! Every broken watcher fails the cases named for its fault, in the way named, and
//! passes the others named for it.

#![forbid(unsafe_code)]

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use childwatch_proofs::broken::table::table;
use childwatch_proofs::broken::{self, Broken, FailedLaw, Fails};
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;
use childwatch_ptrace_free_tests::{Case, Cell, Outcome, front};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Cuts a case short that waits for something that never happens (for a quarter of this time),
/// or that hangs. On a busy machine this may be too short for the case's other waits. Then the
/// case fails with other words, and is run again with the full deadline.
const DEADLINE_IN_VAIN: Duration = Duration::from_secs(16);

/// Nearly all of them wait for what does not come, and not for a core.
const CELLS_AT_A_TIME: usize = 40;

fn main() -> ExitCode {
    // What is asked of an interpreter is asked of this program in it.
    front::take_part(&broken::backends());
    front::laws::take_part(&broken::sources());
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(CELLS_AT_A_TIME);
    let mut trials: Vec<_> = broken::all().flat_map(trials_of).collect();
    // Cases that hang take longest.
    trials.sort_by_key(|(how, _)| *how != Some(Fails::ByHanging));
    let mut trials: Vec<_> = trials.into_iter().map(|(_, trial)| trial).collect();
    trials.push(Trial::test("the_documentation_has_the_table", || {
        the_documentation_has_the_table()
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials_of(broken: &'static Broken) -> impl Iterator<Item = (Option<Fails>, Trial)> {
    let law = broken.law.map(|law| {
        let name = format!("{}::fails::{}", broken.name, law.test);
        let kind = broken.breaks.to_string();
        let trial = Trial::ignorable_test(name, move || breaks(broken.name, law)).with_kind(kind);
        (Some(law.how), trial)
    });
    let fails = broken.fails.iter().map(move |&(case, how)| {
        let name = format!("{}::fails::{case}", broken.name);
        (Some(how), trial(name, broken, case, Some(how)))
    });
    let passes = broken.passes.iter().map(move |&case| {
        let name = format!("{}::passes::{case}", broken.name);
        (None, trial(name, broken, case, None))
    });
    fails.chain(passes).chain(law)
}

/// This program tests a law in a process of its own.
fn breaks(source: &str, law: FailedLaw) -> Result<Completion, Failed> {
    let program = env::current_exe()?;
    let run = |deadline| front::laws::run(&program, source, law.test, deadline);
    let waits = matches!(law.how, Fails::InVain(_) | Fails::ByHanging);
    if waits && is_as(&run(DEADLINE_IN_VAIN)?.outcome, Some(law.how)) {
        return Ok(Completion::Completed);
    }
    match run(DEADLINE)?.outcome {
        outcome if is_as(&outcome, Some(law.how)) => Ok(Completion::Completed),
        Outcome::Unsupported(reason) => Ok(Completion::ignored_with(reason)),
        outcome => Err(format!("not {:?}, but {outcome:?}", law.how).into()),
    }
}

/// What can't be seen here is shown as ignored, with the reason.
fn trial(name: String, broken: &'static Broken, case: &str, expected: Option<Fails>) -> Trial {
    let case = Case::named(case).expect("a unit test has looked");
    let cell = Cell {
        backend: broken,
        case,
    };
    let kind = broken.breaks.to_string();
    match case.is_supported(broken) {
        Ok(()) => Trial::test(name, move || meets(cell, expected)).with_kind(kind),
        Err(reason) => Trial::test(format!("{name} – {reason}"), move || {
            meets(cell, expected)
        })
        .with_kind(kind)
        .with_ignored_flag(true),
    }
}

fn meets(cell: Cell<'static>, expected: Option<Fails>) -> Result<(), Failed> {
    let program = Path::new(env!("CARGO_BIN_EXE_childwatch-conformance"));
    let waits = matches!(expected, Some(Fails::InVain(_) | Fails::ByHanging));
    if waits && is_as(&cell.run(program, DEADLINE_IN_VAIN)?.outcome, expected) {
        return Ok(());
    }
    let outcome = cell.run(program, DEADLINE)?.outcome;
    if is_as(&outcome, expected) {
        return Ok(());
    }
    Err(match outcome {
        Outcome::Failed(reason) => format!("not {expected:?}, but: {reason}").into(),
        other => format!("not {expected:?}, but {other:?}").into(),
    })
}

fn is_as(outcome: &Outcome, expected: Option<Fails>) -> bool {
    match (outcome, expected) {
        (Outcome::Failed(reason), Some(Fails::Saying(words) | Fails::InVain(words))) => {
            reason.contains(words)
        }
        (Outcome::TimedOut, Some(Fails::ByHanging)) | (Outcome::Passed, None) => true,
        _ => false,
    }
}

fn the_documentation_has_the_table() -> Result<(), Failed> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability.md");
    if std::fs::read_to_string(page)?.contains(&table()) {
        return Ok(());
    }
    Err(
        "docs/reliability.md has another table of the broken watchers: replace it by that of \
         `cargo run -p childwatch-proofs --example broken_watchers`"
            .into(),
    )
}
