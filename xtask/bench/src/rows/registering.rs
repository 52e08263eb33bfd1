//! [`REGISTERING`]: children that exit at once, while a thread registers others.
//!
//! One thread registers, and another runs the callbacks. What both of them lock is contended during
//! the exits.

use childwatch_ptrace_free_tests::kit::crowd;

use super::crowd::{gather, row, watch_all};
use super::entrants::WITH_THREADS_AND_DRIVEN;
use super::row::Row;
use super::task::Task;
use crate::figures::figure::Figure;
use crate::measuring::outcome::{Samples, single};
use crate::measuring::tally::Tally;

/// How many children are registered for each one that exits. An exit takes the time of three to
/// five registrations.
const REGISTERED_AN_EXIT: usize = 3;

pub(crate) static REGISTERING: Row = Row {
    rounds: |_| 21,
    candidates: WITH_THREADS_AND_DRIVEN,
    ..row(
        "registering",
        "Live children, which exit at once while a thread registers others",
        &[
            Figure::microseconds("exits-wall", "time to be told, an exit"),
            Figure::microseconds("register-wall", "time to register, a child"),
        ],
        measure,
    )
};

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let exits = task.size;
    let most = exits * REGISTERED_AN_EXIT;
    let mut watching = task.candidate.watch_up_to(exits + most)?;
    let (mut others, _others_gate) = gather(most)?;
    let (mut leaving, gate) = gather(exits)?;
    let (tally, never) = (Tally::of(exits), Tally::of(most));
    watch_all(&mut *watching, &mut leaving, &tally)?;

    let start = crowd::now();
    drop(gate);
    let mut registered = 0;
    for member in others.members() {
        watching.watch(member.pid(), never.told(registered))?;
        registered += 1;
        if tally.is_complete() {
            break;
        }
    }
    let register = crowd::now().saturating_sub(start);
    let told = tally.wait()?.saturating_sub(start);

    // The watch ends before the other children do, whose exits must not be reported.
    drop(watching);
    tally.each_once()?;
    Ok(single([
        ("exits-wall", told.as_secs_f64() / exits as f64),
        ("register-wall", register.as_secs_f64() / registered as f64),
    ]))
}
