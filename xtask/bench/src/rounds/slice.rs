//! A slice: a measurement of one candidate in one row, in a process of its own.
//!
//! The process runs this program again. The process sets its limits and measures. If the row
//! wants it, the process takes [turns](mod@crate::measuring::turns) with others. It writes its
//! [`Outcome`] as a line of JSON, and exits.

use std::env;
use std::io;
use std::panic;
use std::process::{self, Command, ExitCode};

use anyhow::Context;
use clap::ValueEnum;

use crate::candidates::candidate::Candidate;
use crate::measuring::conditions::Conditions;
use crate::measuring::outcome::Outcome;
use crate::measuring::turns::Turns;
use crate::measuring::{limits, machine};
use crate::rows::row::Row;
use crate::rows::task::Task;
use crate::{candidates, rows};

/// The first argument of a program that is to be a slice.
pub(crate) const NAME: &str = "slice";

#[derive(clap::Args)]
pub(crate) struct Args {
    row: String,
    candidate: String,
    size: usize,
    #[command(flatten)]
    conditions: Conditions,
}

/// Runs the process of a slice.
pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let row = rows::named(&args.row).context("no such row")?;
    let candidate = candidates::named(&args.candidate).context("no such candidate")?;
    end_at_a_panic();
    limits::set()?;
    if args.conditions.pin {
        machine::pin()?;
    }
    let mut task = Task {
        candidate,
        size: args.size,
        effort: args.conditions.effort,
        turns: Turns {
            given: &mut io::stdin().lock(),
            asked: &mut io::stdout(),
        },
    };
    let outcome = (row.measure)(&mut task);
    println!("{}", serde_json::to_string(&Outcome::from(outcome))?);
    Ok(ExitCode::SUCCESS)
}

/// Makes a panic on any thread end the slice. A thread that has panicked reports no exits, and
/// the thread that waits for them would never return.
fn end_at_a_panic() {
    const PANICKED: i32 = 101;
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        process::exit(PANICKED);
    }));
}

/// Returns the command that starts a slice.
pub(crate) fn command(
    row: &Row,
    candidate: &dyn Candidate,
    size: usize,
    Conditions { effort, pin }: Conditions,
) -> anyhow::Result<Command> {
    let effort = effort.to_possible_value().context("a hidden effort")?;
    let mut slice = Command::new(env::current_exe()?);
    slice
        .args([NAME, row.name, candidate.name()])
        .args([&size.to_string(), "--effort", effort.get_name()])
        .args(pin.then_some("--pin"));
    Ok(slice)
}
