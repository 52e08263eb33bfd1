//! What stands below a report's tables.

use crate::options::{Conditions, Effort};
use crate::outcome::Outcome;
use crate::report::{Failure, Report};

/// What a reader must know of the whole run.
pub(crate) fn of_the_run(report: &Report) -> Vec<String> {
    let legend = "Each cell: the median of the rounds, the median of the rounds' ratios to the \
                  floor, and the rounds' 10th to 90th percentile.";
    let Conditions { effort, pin } = report.conditions;
    let pinned = "Each slice was kept on one processor.";
    let quick = "A quick run: its numbers mean nothing.";
    let place = format!("{}.", report.place);
    [
        (true, place.as_str()),
        (pin, pinned),
        (true, legend),
        (effort == Effort::Quick, quick),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, remark)| remark.to_owned())
    .collect()
}

/// Why cells, or whole lines, are empty or marked: each thing once.
pub(crate) fn of_the_cells(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    for point in &report.points {
        let (row, candidate) = (point.row.name(), point.candidate);
        let refusal = point.rounds.iter().find_map(|outcome| match outcome {
            Outcome::Refused(reason) => Some(format!("– {candidate}: {reason}")),
            Outcome::Measured(_) | Outcome::Failed(_) => None,
        });
        let failure = point.failure().map(|failure| {
            let Failure {
                rounds,
                of_rounds,
                reason,
            } = failure;
            let size = point.size;
            format!("✗ {candidate}, {row} of {size}: {rounds} of {of_rounds} rounds: {reason}")
        });
        for note in [refusal, failure].into_iter().flatten() {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}
