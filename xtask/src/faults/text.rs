//! Writes the outcomes as text for terminals and logs.

use std::io::{self, Write};

use childwatch_proofs::faults::{Outcome, Trial, error_name};
use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::matrix::Matrix;
use super::run::Done;

/// Writes a table for each backend. Each trial that failed follows, and the reasons of skips.
pub(crate) fn write(out: &mut impl Write, matrix: &Matrix, done: &[Done]) -> io::Result<()> {
    for backend in &matrix.backends {
        writeln!(
            out,
            "{}\n{}\n",
            backend.name,
            backend.table(UTF8_FULL_CONDENSED)
        )?;
    }
    let mut reasons: Vec<&str> = Vec::new();
    for Done { trial, outcome } in done {
        match outcome {
            Outcome::Lived(_) => {}
            Outcome::Wrong(reason) => {
                writeln!(out, "✗ {}", describe(trial))?;
                for line in reason.lines() {
                    writeln!(out, "{}", format!("    {line}").trim_end())?;
                }
            }
            Outcome::Unsupported(reason) if reasons.contains(&reason.as_str()) => {}
            Outcome::Unsupported(reason) => {
                reasons.push(reason);
                writeln!(out, "– {reason}")?;
            }
        }
    }
    Ok(())
}

fn describe(Trial { backend, fault }: &Trial) -> String {
    let backend = backend.name();
    match fault {
        None => format!("{backend}: no fault"),
        Some(fault) => {
            let (call, errno) = (fault.call.name, error_name(fault.errno));
            format!(
                "{backend}: {call}, {errno}, {}: {}",
                fault.phase, fault.when
            )
        }
    }
}
