//! The front of the laws of sources.
//!
//! Each law runs in a process of its own, under a deadline. The process is this same program,
//! started anew with [`LAW_FLAG`].

use std::env;
use std::io;
use std::path::Path;
use std::process::{self, ExitCode};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::closed_pipe;
use crate::kit::alone;
use crate::kit::deadline::{DEADLINE, patience_under, set_patience};
use crate::kit::judged::{self, Outcome, Verdict};
use crate::laws::subject::SourceUnderTest;

/// The first argument of a program that is to test one law. The source, the law and the patience
/// of its waits, in milliseconds, follow.
pub const LAW_FLAG: &str = "--childwatch-law";

/// A test runner with the arguments of any Rust test: the laws of every one of `sources`. It is
/// the whole `main` of a test target with `harness = false`.
#[must_use]
pub fn main(sources: &[SourceUnderTest]) -> ExitCode {
    take_part(sources);
    closed_pipe::end_quietly();
    let arguments = Arguments::from_args();
    let trials = sources.iter().flat_map(|source| {
        let name = source.name();
        source.laws().map(move |law| trial(name, law))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn trial(source: &'static str, law: &'static str) -> Trial {
    Trial::ignorable_test(format!("{source}::{law}"), move || judge(source, law))
}

fn judge(source: &str, law: &str) -> Result<Completion, Failed> {
    let program = env::current_exe()?;
    let Verdict { outcome, elapsed } = run(&program, source, law, DEADLINE)?;
    let failed = |reason: &str| {
        let notes = notes(&program, source, law);
        Err(format!("{reason}\n\n{notes}").into())
    };
    match outcome {
        Outcome::Passed => Ok(Completion::Completed),
        Outcome::Unsupported(reason) => Ok(Completion::ignored_with(reason)),
        Outcome::Failed(reason) => failed(&reason),
        Outcome::TimedOut => failed(&format!("killed after {elapsed:?}")),
    }
}

/// Tests a law in a process of its own, which is killed at the deadline. `program` must call
/// [`take_part`].
///
/// # Errors
///
/// If the process cannot be started or waited for.
pub fn run(program: &Path, source: &str, law: &str, deadline: Duration) -> io::Result<Verdict> {
    judged::run(program, &[LAW_FLAG, source, law], deadline, || false)
}

fn notes(program: &Path, source: &str, law: &str) -> String {
    let patience = patience_under(DEADLINE);
    format!(
        "Documentation: the laws of `ExitSource` and `PollableSource` in `childwatch_core::source`\n\
         Bounds: {DEADLINE:?} for the law, {patience:?} for each wait\n\
         By hand: RUST_BACKTRACE=1 {} {LAW_FLAG} {source} {law} {}",
        program.display(),
        patience.as_millis()
    )
}

/// Becomes the test of one law that this process was started to be, and never returns then. A
/// runner calls it first in `main`.
pub fn take_part(sources: &[SourceUnderTest]) {
    let args: Vec<_> = env::args().skip(1).collect();
    let [flag, source, law, patience] = &args[..] else {
        return;
    };
    if flag != LAW_FLAG {
        return;
    }
    let known = sources.iter().find(|known| known.name() == source);
    let known = known.filter(|known| known.laws().any(|known| known == law));
    let (Some(source), Ok(patience)) = (known, patience.parse()) else {
        eprintln!("{LAW_FLAG} SOURCE LAW MILLISECONDS: no such law, or no number");
        process::exit(2);
    };
    set_patience(Duration::from_millis(patience));
    judged::run_here(Ok(()), || {
        if let Err(reason) = source.test(law) {
            println!("{reason}");
            process::exit(i32::from(alone::UNSUPPORTED));
        }
    })
}

/// The `main` of a test of laws for sources of your own: values of
/// [`SourceUnderTest`](crate::SourceUnderTest).
#[macro_export]
macro_rules! laws_main {
    ($($source:expr),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::front::laws::main(&[$($source),+])
        }
    };
}
