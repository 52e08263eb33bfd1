//! What a run can be told on the command line.

use std::path::PathBuf;

use crate::formats::Format;
use crate::measuring::conditions::{Conditions, Effort};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Everything small and once: proves that it runs, and measures nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these rows
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// Only these numbers of children, of those that a row is measured with
    #[arg(long, value_name = "NUMBER")]
    pub(crate) size: Vec<usize>,
    /// Only these candidates, beside the floor
    #[arg(long, value_name = "CANDIDATE")]
    pub(crate) candidate: Vec<String>,
    /// How many rounds, in place of each row's own number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rounds: Option<usize>,
    /// Keep each slice, children and all, on one processor: less like life, less noisy
    #[arg(long)]
    pub(crate) pin: bool,
    /// As root: raise kernel.pid_max for the time of the run, where it leaves no room for
    /// 50,000 children, or for those of all candidates at once
    #[arg(long)]
    pub(crate) raise_pid_max: bool,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Measure all rows, and write the report into this directory: README.md, results.json
    /// and plots
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: Option<PathBuf>,
    /// Exit with 1 when a target is missed
    #[arg(long)]
    pub(crate) check: bool,
}

impl Options {
    pub(crate) fn conditions(&self) -> Conditions {
        let effort = if self.quick {
            Effort::Quick
        } else {
            Effort::Full
        };
        Conditions {
            effort,
            pin: self.pin,
        }
    }
}
