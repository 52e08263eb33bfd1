//! How a report is written.

use std::io::Write;

use clap::ValueEnum;

use crate::report::Report;

mod json;
pub(crate) mod markdown;
pub(crate) mod numbers;
mod text;

pub(crate) use numbers::{count, ratio, times, value};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Tables for a terminal
    Text,
    /// Tables for a document
    Markdown,
    /// One object: the figures of each candidate, and the targets
    Json,
}

impl Format {
    pub(crate) fn write(self, out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
        match self {
            Format::Text => text::write(out, report)?,
            Format::Markdown => markdown::write(out, report)?,
            Format::Json => json::write(out, report)?,
        }
        Ok(())
    }
}
