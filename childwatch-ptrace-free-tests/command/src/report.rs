//! [`Report`]: the source of every format.

use std::process::ExitCode;
use std::time::Duration;

use childwatch_ptrace_free_tests::{Case, Cell, Exception, Sandbox};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::seconds::Seconds;
use crate::tally::Tally;

/// All results of the suite on one kernel.
#[derive(Debug)]
pub struct Report {
    pub kernel: String,
    /// The sandbox that was emulated, if any.
    pub sandbox: Option<Sandbox>,
    /// Backend by backend, in the order of the list of cases.
    pub cells: Vec<CellReport>,
    pub repeats: usize,
    pub elapsed: Duration,
}

/// All runs of one case against one backend.
#[derive(Debug)]
pub struct CellReport {
    pub backend: &'static str,
    pub case: &'static Case,
    /// What the case's host notices of the backend by its documentation, with the reasons.
    pub exceptions: Vec<(&'static Exception, String)>,
    /// What a reader of a failure needs: see `Cell::notes`. Empty if the cells run elsewhere.
    pub notes: String,
    pub runs: Vec<Run>,
}

/// One run of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub finding: Finding,
    pub elapsed: Duration,
}

impl Report {
    /// Returns the backends in the report's order.
    pub(crate) fn backends(&self) -> Vec<&'static str> {
        let mut backends: Vec<_> = self.cells.iter().map(|cell| cell.backend).collect();
        backends.dedup();
        backends
    }

    /// Returns the kernel, and the sandbox if there was one.
    pub(crate) fn place(&self) -> String {
        match self.sandbox {
            None => self.kernel.clone(),
            Some(sandbox) => format!("{}, sandbox {}", self.kernel, sandbox.name()),
        }
    }

    pub(crate) fn totals(&self) -> Tally {
        self.cells.iter().map(CellReport::finding).collect()
    }

    /// Returns the cells that failed or timed out, with their findings.
    pub(crate) fn failures(&self) -> Vec<(&CellReport, Finding)> {
        self.cells
            .iter()
            .map(|cell| (cell, cell.finding()))
            .filter(|(_, finding)| finding.is_failure())
            .collect()
    }

    /// Describes how much was run, and for how long.
    pub(crate) fn extent(&self) -> String {
        let backends = self.backends().len();
        let of_hosts = |cell: &&CellReport| cell.case.host().is_some();
        let hosts = self.cells.iter().filter(of_hosts).count();
        let each = |cells: usize| cells.checked_div(backends).unwrap_or(0);
        [
            counted(backends, "backend"),
            counted(each(self.cells.len() - hosts), "case"),
            counted(each(hosts), "host"),
            counted(self.repeats, "repeat"),
            Seconds(self.elapsed).to_string(),
        ]
        .join(", ")
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.totals().failures() == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl CellReport {
    pub fn unreported(cell: &Cell<'static>) -> Self {
        CellReport {
            backend: cell.backend.name(),
            case: cell.case,
            exceptions: exceptions_of(cell),
            notes: String::new(),
            runs: Vec::new(),
        }
    }

    pub fn finding(&self) -> Finding {
        Finding::fold(self.runs.iter().map(|run| &run.finding))
    }

    pub fn elapsed(&self) -> Duration {
        self.runs.iter().map(|run| run.elapsed).sum()
    }
}

/// Returns the documented exceptions for a cell's backend in its host, with the backend's
/// reasons.
fn exceptions_of(cell: &Cell<'static>) -> Vec<(&'static Exception, String)> {
    let Some(host) = cell.case.host() else {
        return Vec::new();
    };
    let reasons = host.exceptions_of(cell.backend).filter_map(|exception| {
        let reason = cell.backend.offers(exception.unless).err()?;
        Some((exception, reason))
    });
    reasons.collect()
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Reports with made-up findings. The tests of the formats use them.

    use childwatch_ptrace_free_tests::{Clause, Host};

    use super::*;

    static ONCE: Case = case("each_callback_runs_once", Clause::C3);
    static WAITABLE: Case = case("the_child_is_waitable", Clause::C7);
    static TRACED: Case = case("a_tracers_zombie_is_told", Clause::C7);

    const fn case(name: &'static str, clause: Clause) -> Case {
        Case {
            name,
            clause,
            needs: &[],
            run: |_| (),
        }
    }

    pub(crate) fn cell(
        backend: &'static str,
        case: &'static Case,
        findings: impl IntoIterator<Item = Finding>,
    ) -> CellReport {
        let run = |finding| Run {
            finding,
            elapsed: Duration::from_millis(40),
        };
        CellReport {
            backend,
            case,
            exceptions: Vec::new(),
            notes: format!("The notes on {}.", case.name),
            runs: findings.into_iter().map(run).collect(),
        }
    }

    pub(crate) fn report(cells: Vec<CellReport>) -> Report {
        Report {
            kernel: "Linux 6.18.0".to_owned(),
            sandbox: None,
            repeats: cells.first().map_or(1, |cell| cell.runs.len()),
            cells,
            elapsed: Duration::from_millis(12_340),
        }
    }

    /// One of each finding.
    pub(crate) fn mixed() -> Report {
        let skipped = || Finding::Unsupported("its processes exist only in memory".to_owned());
        report(vec![
            cell("pidfd", &ONCE, [Finding::Passed]),
            cell(
                "pidfd",
                &WAITABLE,
                [Finding::Failed(
                    "panicked:\n  left == <right>\n\nthe cell ended".to_owned(),
                )],
            ),
            cell(
                "pidfd",
                &TRACED,
                [Finding::TimedOut("killed after 120.0 s".to_owned())],
            ),
            cell("simulated", &ONCE, [Finding::Passed]),
            cell("simulated", &WAITABLE, [skipped()]),
            cell("simulated", &TRACED, [skipped()]),
        ])
    }

    pub(crate) fn repeated() -> Report {
        let failed = Finding::Failed("it ran twice".to_owned());
        report(vec![cell("pidfd", &ONCE, [Finding::Passed, failed])])
    }

    pub(crate) fn flawless() -> Report {
        report(vec![cell("pidfd", &ONCE, [Finding::Passed])])
    }

    pub(crate) fn sandboxed() -> Report {
        Report {
            sandbox: Some(Sandbox::NoPtrace),
            ..flawless()
        }
    }

    /// A backend that a host notices.
    pub(crate) fn noticed_cell(backend: &'static str, host: &'static Host) -> CellReport {
        let reason = "its handler takes the signals".to_owned();
        CellReport {
            exceptions: vec![(&host.exceptions[0], reason)],
            ..cell(backend, host.case(), [Finding::Passed])
        }
    }

    pub(crate) fn noticed() -> Report {
        let host = Host::named("signalfd-reader").expect("it is in the list");
        report(vec![noticed_cell("sigchld", host)])
    }

    pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_and_timeouts_fail_the_run() {
        let is_success = |report: &Report| report.exit_code() == ExitCode::SUCCESS;
        assert!(is_success(&samples::flawless()));
        assert!(!is_success(&samples::mixed()));
        assert!(!is_success(&samples::repeated()));

        let mut skips_only = samples::mixed();
        skips_only.cells.retain(|cell| !cell.finding().is_failure());
        assert!(is_success(&skips_only));
        assert_eq!(skips_only.totals().unsupported, 2);

        let mut timeout_only = samples::mixed();
        timeout_only
            .cells
            .retain(|cell| matches!(cell.finding(), Finding::TimedOut(_)));
        assert!(!is_success(&timeout_only));
    }

    #[test]
    fn the_place_names_the_sandbox_if_there_is_one() {
        assert_eq!(samples::flawless().place(), "Linux 6.18.0");
        assert_eq!(
            samples::sandboxed().place(),
            "Linux 6.18.0, sandbox no-ptrace"
        );
    }

    #[test]
    fn the_extent_counts_what_was_run() {
        assert_eq!(
            samples::mixed().extent(),
            "2 backends, 3 cases, 0 hosts, 1 repeat, 12.3 s"
        );
        assert_eq!(
            samples::repeated().extent(),
            "1 backend, 1 case, 0 hosts, 2 repeats, 12.3 s"
        );
    }
}
