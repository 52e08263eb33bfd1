//! How a report is written.

use std::io::Write;

use clap::ValueEnum;

use crate::report::Report;

mod json;
mod markdown;
mod numbers;
mod text;

pub(crate) use numbers::count;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Tables for a terminal
    Text,
    /// Tables for a document
    Markdown,
    /// One object a line, one line a figure of a candidate
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
