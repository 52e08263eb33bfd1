//! What hosts notice of a backend, according to the backend's documentation.

use childwatch_ptrace_free_tests::Exception;

use crate::finding::Finding;
use crate::report::{CellReport, Report};

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
pub(crate) fn of<'a>(report: &'a Report) -> Vec<Excepted> {
    let mut all: Vec<Excepted> = Vec::new();
    let passed = report
        .cells
        .iter()
        .filter(|cell| cell.finding() == Finding::Passed);
    let noticed = |cell: &'a CellReport| cell.exceptions.iter().map(move |it| (cell, it));
    for (cell, (exception, reason)) in passed.flat_map(noticed) {
        let backend = (cell.backend, reason.clone());
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

fn when(exception: &Exception) -> String {
    let moments: Vec<_> = exception.at.iter().map(ToString::to_string).collect();
    moments.join(", ")
}

#[cfg(test)]
mod tests {
    use childwatch_ptrace_free_tests::Host;

    use super::*;
    use crate::report::samples;

    #[test]
    fn the_backends_that_a_host_notices_stand_together() {
        let host = Host::named("signalfd-reader").unwrap();
        let plain = samples::cell("pidfd", host.case(), [Finding::Passed]);
        let noticed = |backend| samples::noticed_cell(backend, host);
        let report = samples::report(vec![plain, noticed("sigchld"), noticed("fallback")]);
        let [excepted] = &of(&report)[..] else {
            panic!("{:?}", of(&report));
        };
        assert_eq!(excepted.host, "signalfd-reader");
        assert_eq!(excepted.when, "while it watches");
        let backends = excepted.backends.iter().map(|(backend, _)| *backend);
        assert_eq!(backends.collect::<Vec<_>>(), ["sigchld", "fallback"]);
    }

    #[test]
    fn a_case_is_no_host() {
        assert!(of(&samples::mixed()).is_empty());
    }
}
