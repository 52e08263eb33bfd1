//! The options of a run on the command line.

use std::path::PathBuf;

use crate::formats::Format;
use crate::measuring::conditions::{Conditions, Effort};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Run everything once and small: proves that it runs, and measures nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure only these rows: latency, loop, task-tokio, task-tokio-threads, task-async-io,
    /// merged, reaped, silent, live, registering, dead, memory, idle, life, scale
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// Measure only with these numbers of children, among those of each row
    #[arg(long, value_name = "NUMBER")]
    pub(crate) size: Vec<usize>,
    /// Measure only these candidates and the floor of each row
    #[arg(long, value_name = "CANDIDATE")]
    pub(crate) candidate: Vec<String>,
    /// Take this many rounds, instead of each row's own number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rounds: Option<usize>,
    /// Pin each slice and its children to one processor: less realistic, and less noisy
    #[arg(long)]
    pub(crate) pin: bool,
    /// As root, raise kernel.pid_max during the run, if it leaves no room for 50,000 children
    /// or for those of all candidates at once
    #[arg(long)]
    pub(crate) raise_pid_max: bool,
    /// The format of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Measure all rows, and write the report into this directory: README.md, results.json
    /// and plots
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: Option<PathBuf>,
    /// Exit with 1 if a target is missed
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
