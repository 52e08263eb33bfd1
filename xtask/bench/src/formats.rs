//! The formats in which a report is written.

use std::io::Write;

use clap::ValueEnum;

use crate::results::report::Report;

mod cells;
pub(crate) mod docs;
mod json;
mod markdown;
mod plot;
mod text;

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
