//! Races: our own backends are never to be slower than a rival.
//!
//! In rounds that differ by a tenth, every second figure of two equals is slower in the
//! median. So a figure is slower only if the whole interval of its ratio is; one whose
//! median is slower, and not its whole interval, is listed apart. Of fewer rounds than an
//! interval needs nothing is said.

use super::judged::{Judged, Verdict};
use crate::candidates::names::{FALLBACK, OLD_DESIGN, PIDFD, SIGCHLD, TOKIO};
use crate::figures::figure::{Faster, Figure};
use crate::figures::numbers::{count, ratio};
use crate::figures::stats::Ratio;
use crate::results::point::Point;
use crate::results::report::Report;

static RIVALS: [&str; 2] = [TOKIO, OLD_DESIGN];
static OURS: [&str; 3] = [PIDFD, SIGCHLD, FALLBACK];
/// In all figures of these rows that tell of speed.
static RACES: [&str; 4] = ["latency", "live", "dead", "life"];

/// How one figure of ours stands to a rival's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Slower,
    /// Slower in the median, but not beyond doubt.
    WithinTheNoise,
    NotSlower,
}

/// Each of ours against each rival.
pub(super) fn judge(report: &Report) -> impl Iterator<Item = Judged> {
    OURS.iter()
        .flat_map(move |ours| RIVALS.map(|rival| race(report, ours, rival)))
}

/// Whether one of ours is as fast as a rival wherever both were measured.
fn race(report: &Report, ours: &str, rival: &str) -> Judged {
    let mut figures = 0;
    let mut slower = Vec::new();
    let mut within_the_noise = Vec::new();
    for row in RACES {
        for point in report.points_of(row, ours) {
            for figure in point.row.figures {
                let Some((standing, measured)) = standing(report, point, rival, figure) else {
                    continue;
                };
                figures += 1;
                let (name, size) = (figure.name, count(point.size));
                let text = format!("{row} {name} of {size}: {}", ratio(&measured));
                match standing {
                    Standing::Slower => slower.push(text),
                    Standing::WithinTheNoise => within_the_noise.push(text),
                    Standing::NotSlower => {}
                }
            }
        }
    }
    let (verdict, mut measured) = match (figures, &slower[..]) {
        (0, _) => (Verdict::NotMeasured, String::new()),
        (_, []) => (Verdict::Met, format!("slower in none of {figures} figures")),
        _ => {
            let (number, list) = (slower.len(), slower.join(", "));
            let text = format!("slower in {number} of {figures} figures: {list}");
            (Verdict::Missed, text)
        }
    };
    if !within_the_noise.is_empty() {
        let (number, list) = (within_the_noise.len(), within_the_noise.join(", "));
        measured.push_str(&format!("; and {number} more within the noise: {list}"));
    }
    Judged {
        target: format!("{ours}: never slower than {rival}"),
        measured,
        beside_status: String::new(),
        verdict,
    }
}

/// `None` where nothing can be said.
fn standing(
    report: &Report,
    point: &Point,
    rival: &str,
    figure: &Figure,
) -> Option<(Standing, Ratio)> {
    let faster = figure.unit.faster()?;
    let measured = report.beside(point, rival, figure)?;
    let interval = measured.interval?;
    let fastest = match faster {
        Faster::Less => interval.low,
        Faster::More => interval.high,
    };
    let standing = if faster.is_slower(fastest) {
        Standing::Slower
    } else if faster.is_slower(measured.median) {
        Standing::WithinTheNoise
    } else {
        Standing::NotSlower
    };
    Some((standing, measured))
}

/// That no name here is misspelt.
#[cfg(test)]
pub(super) fn each_is_measured() {
    let mut names = RIVALS.iter().chain(&OURS);
    assert!(names.all(|name| crate::candidates::named(name).is_some()));
    assert!(RACES.iter().all(|row| crate::rows::named(row).is_some()));
}
