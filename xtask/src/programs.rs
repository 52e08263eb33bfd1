//! `cargo xtask programs`: installed programs, which know nothing of childwatch, with a watcher in
//! each of their processes.
//!
//! The library that makes the watcher is the example `preloaded` of childwatch-proofs. A program's
//! job must have the same result as without it, and what the watcher tells must be what the program
//! learns when it reaps.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, ensure};
use childwatch_command::names;
use childwatch_command::parallelism::parallelism;
use childwatch_proofs::backends;
use xshell::{Shell, cmd};

use crate::workspace;
use corpus::Program;
use record::Counts;
use run::{Outcome, Trial};
use way::Way;

mod corpus;
mod record;
mod run;
mod table;
mod way;

/// Run installed programs with a watcher in each of their processes, and without one.
///
/// Exits with 1 if a program does not do the same with it, or if an exit is lost, doubled or told
/// with a wrong status. A program that is not installed is skipped.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the programs with this in their names. May be given more than once.
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,

    /// Use only this backend. May be given more than once.
    /// [default: pidfd, sigchld and fallback]
    #[arg(long = "backend", value_name = "NAME")]
    backends: Vec<String>,

    /// Run each so many times
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: usize,

    /// Run this script of sh instead of the programs that are known. Its output must be the same
    /// each time
    #[arg(long, value_name = "SCRIPT", conflicts_with = "programs")]
    script: Option<String>,

    /// Print the record of a trial that fails
    #[arg(long)]
    record: bool,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let ways = Way::all(&args.backends()?);
    let programs = args.programs()?;
    let library = build()?;
    let trials = trials(&programs, &ways, args.repeat);
    let outcomes = try_all(&trials, &library);
    let rows: Vec<_> = trials.iter().zip(&outcomes).collect();
    print!("{}", table::of(&programs, &ways, &rows));
    let failed = rows
        .iter()
        .filter(|(_, outcome)| !outcome.is_well())
        .inspect(|(trial, outcome)| print_failure(trial, outcome, args.record))
        .count();
    let mut counts = Counts::default();
    for outcome in &outcomes {
        counts += outcome.counts();
    }
    println!("{} trials, {failed} failed. {counts}", trials.len());
    Ok(code(failed).into())
}

/// The exit code after so many failures.
fn code(failed: usize) -> u8 {
    u8::from(failed > 0)
}

/// Each program in each way, except where it notices the watcher, as documented.
fn trials<'a>(programs: &'a [Program], ways: &'a [Way], repeat: usize) -> Vec<Trial<'a>> {
    let of_program = |program: &'a Program| {
        let ways = ways.iter().filter(|way| program.notices(way).is_none());
        let repeated = ways.flat_map(move |way| std::iter::repeat_n(way, repeat));
        repeated.map(move |way| Trial { program, way })
    };
    programs.iter().flat_map(of_program).collect()
}

impl Args {
    fn backends(&self) -> anyhow::Result<Vec<&'static str>> {
        let known = || backends::ALL.iter().map(|backend| backend.name());
        if self.backends.is_empty() {
            return Ok(vec!["pidfd", "sigchld", "fallback"]);
        }
        let named = self.backends.iter().map(|name| {
            let found = known().find(|known| known == name);
            found.with_context(|| names::unknown("backend", name, known()))
        });
        named.collect()
    }

    /// Returns the installed programs of those that are named, and prints the others.
    fn programs(&self) -> anyhow::Result<Vec<Program>> {
        if let Some(script) = &self.script {
            return Ok(vec![Program::of_script(script)]);
        }
        let mut programs = corpus::read()?;
        let known = || programs.iter().map(|program| program.name.as_str());
        for part in &self.programs {
            let is_known = known().any(|name| name.contains(part));
            ensure!(is_known, names::unknown("program", part, known()));
        }
        let is_named = |name: &str| self.programs.iter().any(|part| name.contains(part));
        programs.retain(|program| self.programs.is_empty() || is_named(&program.name));
        programs.retain(|program| match program.missing() {
            None => true,
            Some(missing) => {
                println!("{} – {missing} is not installed", program.name);
                false
            }
        });
        Ok(programs)
    }
}

/// Builds the library, and returns its file.
fn build() -> anyhow::Result<PathBuf> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    let target = workspace::target();
    cmd!(
        shell,
        "cargo build --quiet --package childwatch-proofs --example preloaded --target-dir {target}"
    )
    .quiet()
    .run()
    .context("the library can't be built")?;
    let library = target.join("debug/examples/libpreloaded.so");
    ensure!(
        library.is_file(),
        "the library is not at {}",
        library.display()
    );
    Ok(library)
}

/// Tries all, some at a time, and returns the outcomes in their order.
fn try_all(trials: &[Trial], library: &Path) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(trials.iter().map(|_| None).collect());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(trial) = trials.get(index) else {
                break;
            };
            let outcome = trial.run(library);
            outcomes.lock().expect("no trial panics")[index] = Some(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 * parallelism().get() {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes.into_inner().expect("no trial panics");
    outcomes.into_iter().flatten().collect()
}

fn print_failure(trial: &Trial, outcome: &Outcome, record: bool) {
    println!("\n{} with {}:", trial.program.name, trial.way);
    for fault in outcome.faults() {
        println!("    {fault}");
    }
    if record {
        println!("{}", outcome.record());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args {
            programs: Vec::new(),
            backends: Vec::new(),
            repeat: 1,
            script: None,
            record: false,
        }
    }

    #[test]
    fn a_failure_is_the_exit_code() {
        assert_eq!([0, 1, 256].map(code), [0, 1, 1]);
    }

    #[test]
    fn without_a_name_all_programs_are_run() {
        let all = args().programs().unwrap();
        let shells = Args {
            programs: vec![all[0].name.clone()],
            ..args()
        };
        assert!(all.len() > 1);
        assert!(shells.programs().unwrap().len() < all.len());
        let unknown = Args {
            programs: vec!["no such program".to_owned()],
            ..args()
        };
        assert!(unknown.programs().is_err());
    }

    #[test]
    fn a_program_is_tried_in_each_way_in_which_it_notices_nothing() {
        let programs = [Program::of_script("true")];
        let ways = Way::all(&args().backends().unwrap());
        assert_eq!(ways.len(), 6);
        assert_eq!(trials(&programs, &ways, 2).len(), 12);
        let text = "# needs: sh\n# notices: handler needs its thread\n\ntrue\n";
        let notices = [Program::parse("a", text).unwrap()];
        let tried = trials(&notices, &ways, 1);
        let tried: Vec<_> = tried.iter().map(|trial| trial.way.to_string()).collect();
        assert_eq!(tried, ["pidfd, blocked"]);
    }

    /// What has failed is counted, in the table too.
    #[test]
    fn each_trial_has_an_outcome_and_a_failure_is_in_the_table() {
        let programs = [Program::of_script("true")];
        let ways = Way::all(&["pidfd"]);
        let trials = trials(&programs, &ways, 3);
        let outcomes = try_all(&trials, Path::new("/no/such/library.so"));
        assert_eq!(outcomes.len(), 6);
        assert!(outcomes.iter().all(|outcome| !outcome.is_well()));
        let rows: Vec<_> = trials.iter().zip(&outcomes).collect();
        let table = table::of(&programs, &ways, &rows);
        assert_eq!(table.matches("3 FAILED").count(), 2, "{table}");
        let well = Outcome::default();
        let rows: Vec<_> = trials.iter().map(|trial| (trial, &well)).collect();
        let table = table::of(&programs, &ways, &rows);
        assert_eq!(table.matches("the same").count(), 2, "{table}");
    }
}
