//! [`SCALE`]: how the cost of a crowd grows with it.

use crate::candidate::Candidate;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::live::{Lived, live};
use crate::turns::Turns;

pub(crate) static SCALE: Row = Row {
    name: "scale",
    title: "Live children, registered, which then exit at once and are told",
    size: "children",
    figures: &[
        Figure::median("cpu", "processor time in all", Unit::Milliseconds),
        Figure::median("wall", "time in all", Unit::Milliseconds),
        Figure::median("cpu-each", "processor time, a child", Unit::Microseconds),
        Figure::median("wall-each", "time, a child", Unit::Microseconds),
        Figure::median("told-once", "exits told exactly once", Unit::Count),
        Figure::median("with-status", "exits told with their status", Unit::Count),
    ],
    rounds: |_| 3,
    company: Company::Alone,
    measure,
};

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    _effort: Effort,
    _turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let Lived {
        register,
        exits,
        told_once,
        with_status,
    } = live(candidate, size)?;
    let (cpu, wall) = (register.cpu + exits.cpu, register.wall + exits.wall);
    let children = size as f64;
    Ok(outcome::single([
        ("cpu", cpu),
        ("wall", wall),
        ("cpu-each", cpu / children),
        ("wall-each", wall / children),
        ("told-once", told_once as f64),
        ("with-status", with_status as f64),
    ]))
}
