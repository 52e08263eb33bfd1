//! [`Format`]: the formats of a report.

use std::io::Write;

use clap::ValueEnum;

use crate::report::Report;
use crate::{html, json, junit, markdown, text};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Matrices of clauses and hosts × backends, then each failure and skip with its reason.
    Text,
    /// The same, for pasting into a document.
    Markdown,
    /// One page for a browser, with each case × backend, reasons and times.
    Html,
    /// One object a line, one line a run.
    Json,
    /// JUnit's XML: a suite a backend.
    Junit,
}

impl Format {
    pub(crate) fn write(self, out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
        match self {
            Format::Text => text::write(out, report)?,
            Format::Markdown => markdown::write(out, report)?,
            Format::Html => html::write(out, report)?,
            Format::Json => json::write(out, report)?,
            Format::Junit => junit::write(out, report)?,
        }
        Ok(())
    }
}
