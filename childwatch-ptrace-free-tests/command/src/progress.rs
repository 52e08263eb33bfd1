//! [`Progress`]: what has run so far, on standard error. It is a bar on a terminal, and
//! otherwise a line twice a minute. A failure is named when it happens.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{CellReport, Run};
use crate::seconds::Seconds;

/// The time between two lines. A run that ends within it writes none.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// When dropped, it clears the bar.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    start: Instant,
    runs: usize,
    done: usize,
    failures: usize,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines { next: Duration },
}

impl Progress {
    pub fn of(runs: usize) -> Self {
        let shown = if io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {elapsed}  {msg}")
                .expect("the template is well-formed");
            let bar = ProgressBar::new(runs as u64).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(500));
            Shown::Bar(bar)
        } else {
            let next = BETWEEN_LINES;
            Shown::Lines { next }
        };
        Progress {
            shown,
            start: Instant::now(),
            runs,
            done: 0,
            failures: 0,
        }
    }

    /// Counts a run of a cell.
    pub fn note(&mut self, cell: &CellReport, run: &Run) {
        self.done += 1;
        if run.finding.is_failure() {
            self.failures += 1;
        }
        let elapsed = self.start.elapsed();
        let line = self.line(elapsed);
        let failure = failure(cell, run);
        match &mut self.shown {
            Shown::Bar(bar) => {
                if let Some(failure) = failure {
                    bar.println(failure);
                    bar.set_message(format!("✗ {}", self.failures));
                }
                bar.inc(1);
            }
            Shown::Lines { next } => {
                let is_due = elapsed >= *next;
                if is_due {
                    *next = elapsed + BETWEEN_LINES;
                }
                for line in failure.into_iter().chain(is_due.then_some(line)) {
                    // If standard error is closed, the report still has it all.
                    let _ = writeln!(io::stderr(), "{line}");
                }
            }
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let (done, runs, failures) = (self.done, self.runs, self.failures);
        format!(
            "{done} of {runs} runs, {failures} failed, {}",
            Seconds(elapsed)
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Returns the name of a run that failed, and the first line of the reason.
fn failure(cell: &CellReport, run: &Run) -> Option<String> {
    let reason = run.finding.reason()?.lines().next().unwrap_or_default();
    run.finding.is_failure().then(|| {
        format!(
            "✗ {}: {}: {}: {reason}",
            cell.backend,
            cell.case.name,
            run.finding.label()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;
    use crate::report::samples;

    fn said(finding: Finding) -> Option<String> {
        let cell = &samples::mixed().cells[0];
        let elapsed = Duration::from_secs(1);
        let run = Run { finding, elapsed };
        failure(cell, &run)
    }

    #[test]
    fn a_failure_is_named_in_one_line() {
        let line = said(Finding::Failed("left: 1\nright: 2".to_owned())).unwrap();
        assert!(line.ends_with(": failed: left: 1"), "{line}");
        let line = said(Finding::TimedOut("killed after 2.0 s".to_owned())).unwrap();
        assert!(line.ends_with(": timeout: killed after 2.0 s"), "{line}");
    }

    #[test]
    fn only_a_failure_is_named() {
        assert_eq!(said(Finding::Passed), None);
        assert_eq!(said(Finding::Unsupported("no pidfds".to_owned())), None);
    }

    #[test]
    fn a_line_counts_what_has_run() {
        let mut progress = Progress::of(3);
        (progress.done, progress.failures) = (2, 1);
        let line = progress.line(Duration::from_secs(61));
        assert_eq!(line, "2 of 3 runs, 1 failed, 61.0 s");
    }
}
