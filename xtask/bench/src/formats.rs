//! The formats in which a report is written.

use std::io::Write;

use crate::options::Format;
use crate::results::report::Report;

mod cells;
pub(crate) mod docs;
mod json;
mod markdown;
mod plot;
mod text;

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
