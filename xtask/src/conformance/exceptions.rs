//! What hosts notice of a backend, according to the backend's documentation.

use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::Exception;

use super::finding::Finding;
use super::report::{CellReport, Report};

/// A thing that a host notices of some backends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excepted {
    pub(crate) host: &'static str,
    /// The moments of a watcher's life at which the host notices it.
    pub(crate) when: String,
    pub(crate) notices: &'static str,
    /// The backends, each with its reason.
    pub(crate) backends: Vec<(&'static str, String)>,
}

/// Returns the exceptions of the cells that have passed, in the report's order.
pub(crate) fn of(report: &Report) -> Vec<Excepted> {
    let mut all: Vec<Excepted> = Vec::new();
    let passed = report
        .cells
        .iter()
        .filter(|cell| cell.finding() == Finding::Passed);
    for (cell, exception, reason) in passed.flat_map(of_cell) {
        let backend = (cell.backend, reason);
        let (host, notices) = (cell.case.name, exception.notices);
        let known = all
            .iter_mut()
            .find(|known| known.host == host && known.notices == notices);
        match known {
            Some(known) => known.backends.push(backend),
            None => all.push(Excepted {
                host,
                when: when(exception),
                notices,
                backends: vec![backend],
            }),
        }
    }
    all
}

/// Returns `true` if the cell's host notices the backend in a documented way.
pub(crate) fn has_some(cell: &CellReport) -> bool {
    !of_cell(cell).is_empty()
}

fn of_cell(cell: &CellReport) -> Vec<(&CellReport, &'static Exception, String)> {
    let mut backends = backends::ALL.iter();
    let backend = backends.find(|backend| backend.name() == cell.backend);
    let (Some(backend), Some(host)) = (backend, cell.case.host()) else {
        return Vec::new();
    };
    let reasons = host.exceptions_of(*backend).filter_map(|exception| {
        let reason = backend.offers(exception.unless).err()?;
        Some((cell, exception, reason))
    });
    reasons.collect()
}

fn when(exception: &Exception) -> String {
    let moments: Vec<_> = exception.at.iter().map(ToString::to_string).collect();
    moments.join(", ")
}

#[cfg(test)]
mod tests {
    use childwatch_ptrace_free_tests::Host;

    use super::*;
    use crate::conformance::report::samples;

    #[test]
    fn the_backends_that_a_host_notices_stand_together() {
        let host = Host::named("signalfd-reader").unwrap().case();
        let cell = |backend| samples::cell(backend, host, [Finding::Passed]);
        let report = samples::report(vec![cell("pidfd"), cell("sigchld"), cell("fallback")]);
        let [excepted] = &of(&report)[..] else {
            panic!("{:?}", of(&report));
        };
        assert_eq!(excepted.host, "signalfd-reader");
        assert_eq!(excepted.when, "while it watches");
        let backends = excepted.backends.iter().map(|(backend, _)| *backend);
        assert_eq!(backends.collect::<Vec<_>>(), ["sigchld", "fallback"]);
        assert!(!has_some(&report.cells[0]) && has_some(&report.cells[1]));
    }

    #[test]
    fn a_case_is_no_host() {
        assert!(of(&samples::mixed()).is_empty());
    }
}
