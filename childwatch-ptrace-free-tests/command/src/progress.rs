//! [`Progress`]: a bar on standard error, if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::finding::Finding;

/// When dropped, it clears the bar.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    failures: usize,
}

impl Progress {
    pub fn of(runs: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {elapsed}  {msg}")
            .expect("the template is well-formed");
        // indicatif draws only where standard error is a terminal.
        let bar = ProgressBar::new(runs as u64).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(500));
        Progress { bar, failures: 0 }
    }

    pub fn note(&mut self, finding: &Finding) {
        if finding.is_failure() {
            self.failures += 1;
            self.bar.set_message(format!("✗ {}", self.failures));
        }
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
