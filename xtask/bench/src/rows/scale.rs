//! [`SCALE`]: how the cost of a crowd grows with its size.

use super::crowd::row;
use super::live::{Lived, live};
use super::row::Row;
use super::task::Task;
use crate::figures::figure::Figure;
use crate::measuring::outcome::{Samples, single};

pub(crate) static SCALE: Row = Row {
    rounds: |_| 3,
    ..row(
        "scale",
        "Live children, registered, which then exit at once and are told",
        &[
            Figure::milliseconds("cpu", "processor time in all"),
            Figure::milliseconds("wall", "time in all"),
            Figure::microseconds("cpu-each", "processor time, a child"),
            Figure::microseconds("wall-each", "time, a child"),
            Figure::count("told-once", "exits told exactly once"),
            Figure::count("with-status", "exits told with their status"),
        ],
        measure,
    )
};

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let Lived {
        register,
        exits,
        told_once,
        with_status,
    } = live(task.candidate, task.size)?;
    let (cpu, wall) = (register.cpu + exits.cpu, register.wall + exits.wall);
    let children = task.size as f64;
    Ok(single([
        ("cpu", cpu),
        ("wall", wall),
        ("cpu-each", cpu / children),
        ("wall-each", wall / children),
        ("told-once", told_once as f64),
        ("with-status", with_status as f64),
    ]))
}
