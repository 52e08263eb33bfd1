//! [`Examination`]: the messages of a guest, gathered until the guest ends.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use childwatch_command::order::Order;
use childwatch_command::progress::Progress;
use childwatch_command::report::CellReport;

use super::console::Console;
use super::machine::{Machine, News};
use super::message::Message;

/// The runs of an order's cells in a guest.
pub(super) struct Examination {
    pub(super) kernel: String,
    pub(super) cells: Vec<CellReport>,
}

impl Examination {
    /// Follows the guest until its last message. Fails if the guest panics, ends, or is
    /// silent for longer than `patience`.
    pub(super) fn follow(
        machine: &Machine,
        order: &Order,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let mut examination = Examination {
            kernel: String::new(),
            cells: order.cells.iter().map(CellReport::unreported).collect(),
        };
        let mut console = Console::default();
        let mut progress = Progress::of(order.runs());
        let mut last_message = Instant::now();
        loop {
            // A line of the kernel does not show that the suite makes progress.
            let line = match machine.news(patience.saturating_sub(last_message.elapsed())) {
                News::Line(line) => line,
                News::Silence => return Err(examination.broken_off(&console, "hangs")),
                News::End => return Err(examination.broken_off(&console, "ended early")),
            };
            let Some(message) = console.hear(&line) else {
                continue;
            };
            last_message = Instant::now();
            match message {
                Message::Began { kernel } => examination.kernel = kernel,
                Message::Ran { cell, run } => {
                    let cell = examination
                        .cells
                        .get_mut(cell)
                        .context("the guest tells of a cell that it was not given")?;
                    progress.note(cell, &run);
                    cell.runs.push(run);
                }
                Message::Ended => return Ok(examination),
            }
        }
    }

    /// Explains why there is no report: how far the guest came, and its last lines.
    fn broken_off(&self, console: &Console, how: &str) -> anyhow::Error {
        let how = match console.panic() {
            Some(reason) => format!("the guest's kernel panicked ({reason})"),
            None => format!("the guest {how}"),
        };
        let runs: usize = self.cells.iter().map(|cell| cell.runs.len()).sum();
        match &console.last_lines()[..] {
            "" => anyhow!("{how} after {runs} runs; its console is empty"),
            lines => anyhow!("{how} after {runs} runs; the last lines of its console:\n{lines}"),
        }
    }
}
