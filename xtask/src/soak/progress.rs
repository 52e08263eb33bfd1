//! [`Progress`]: a bar on a terminal, and otherwise a line every few seconds.

use std::io::{self, IsTerminal};
use std::time::Duration;

use childwatch_proofs::soak::Counts;
use indicatif::{ProgressBar, ProgressStyle};

use super::numbers::mebibytes;
use childwatch_command::seconds::Seconds;

/// The time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// When dropped, it clears the bar.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    backend: String,
    next_line: Duration,
}

impl Progress {
    pub(super) fn of(backend: &str, time: Duration) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:20} {elapsed}  {msg}")
                .expect("the template is well-formed");
            ProgressBar::new(time.as_millis().try_into().unwrap_or(u64::MAX)).with_style(style)
        });
        Progress {
            bar,
            backend: backend.to_owned(),
            next_line: BETWEEN_LINES,
        }
    }

    pub(super) fn show(&mut self, elapsed: Duration, counts: &Counts, fds: usize, memory: usize) {
        let line = format!(
            "{}: {} exits, {} told, {} lost, {} doubled; {fds} fds, {}",
            self.backend,
            counts.exits,
            counts.told,
            counts.lost,
            counts.doubled,
            mebibytes(memory)
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(elapsed.as_millis().try_into().unwrap_or(u64::MAX));
                bar.set_message(line);
            }
            None if elapsed >= self.next_line => {
                self.next_line = elapsed + BETWEEN_LINES;
                // If nobody reads it any more, the soak ends here.
                println!("{:>8}  {line}", Seconds(elapsed).to_string());
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
