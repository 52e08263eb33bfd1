//! The unsupported cells, gathered by backend and reason.

use crate::finding::Finding;
use crate::report::Report;

/// The cases that a backend can't run, for one reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skips {
    pub(crate) backend: &'static str,
    pub(crate) reason: String,
    pub(crate) cases: Vec<&'static str>,
}

/// Returns them in the report's order.
pub(crate) fn by_reason(report: &Report) -> Vec<Skips> {
    let mut all: Vec<Skips> = Vec::new();
    for cell in &report.cells {
        let Finding::Unsupported(reason) = cell.finding() else {
            continue;
        };
        let known = all
            .iter_mut()
            .find(|skips| skips.backend == cell.backend && skips.reason == reason);
        match known {
            Some(skips) => skips.cases.push(cell.case.name),
            None => all.push(Skips {
                backend: cell.backend,
                reason,
                cases: vec![cell.case.name],
            }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn skips_of_one_reason_stand_together() {
        let skips = by_reason(&samples::mixed());
        assert_eq!(
            skips,
            [Skips {
                backend: "simulated",
                reason: "its processes exist only in memory".to_owned(),
                cases: vec!["the_child_is_waitable", "a_tracers_zombie_is_told"],
            }]
        );
    }
}
