//! Races: our own backends are never to be slower than a rival.

use super::{Judged, Verdict};
use crate::candidates::{FALLBACK, OLD_DESIGN, PIDFD, SIGCHLD, TOKIO};
use crate::formats::{count, ratio};
use crate::report::Report;
use crate::row::Faster;

static RIVALS: [&str; 2] = [TOKIO, OLD_DESIGN];
static OURS: [&str; 3] = [PIDFD, SIGCHLD, FALLBACK];
/// In all figures of these rows that tell of speed.
static RACES: [&str; 4] = ["latency", "live", "dead", "life"];

/// Each of ours against each rival.
pub(super) fn judge(report: &Report) -> impl Iterator<Item = Judged> {
    OURS.iter()
        .flat_map(move |ours| RIVALS.map(|rival| race(report, ours, rival)))
}

/// Whether one of ours is as fast as a rival wherever both were measured.
fn race(report: &Report, ours: &str, rival: &str) -> Judged {
    let mut figures = 0;
    let mut slower = Vec::new();
    for row in RACES {
        for point in report.points_of(row, ours) {
            for figure in point.row.figures() {
                let (Some(faster), Some(measured)) =
                    (figure.unit.faster(), report.beside(point, rival, figure))
                else {
                    continue;
                };
                figures += 1;
                // To the two digits that are shown.
                let percent = (measured * 100.0).round();
                let is_slower = match faster {
                    Faster::Less => percent > 100.0,
                    Faster::More => percent < 100.0,
                };
                if is_slower {
                    let (name, size) = (figure.name, count(point.size));
                    slower.push(format!("{row} {name} of {size}: {}", ratio(measured)));
                }
            }
        }
    }
    let (verdict, measured) = match (figures, &slower[..]) {
        (0, _) => (Verdict::NotMeasured, String::new()),
        (_, []) => (Verdict::Met, format!("slower in none of {figures} figures")),
        _ => {
            let text = format!(
                "slower in {} of {figures} figures: {}",
                slower.len(),
                slower.join(", ")
            );
            (Verdict::Missed, text)
        }
    };
    Judged {
        target: format!("{ours}: never slower than {rival}"),
        measured,
        beside_status: String::new(),
        verdict,
    }
}

/// That no name here is misspelt.
#[cfg(test)]
pub(super) fn each_is_measured() {
    let mut names = RIVALS.iter().chain(&OURS);
    assert!(names.all(|name| crate::candidates::named(name).is_some()));
    assert!(RACES.iter().all(|row| crate::rows::named(row).is_some()));
}
