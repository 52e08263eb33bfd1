//! Races: our own backends must never be slower than a rival.
//!
//! Rounds differ by a tenth. Between two candidates that are equally fast, every second
//! figure is therefore slower in the median. A figure counts as slower only if the whole
//! interval of its ratio is. A figure whose median alone is slower is listed separately. If
//! there are too few rounds for an interval, the figure is not judged.

use super::judged::{Judged, Verdict};
use crate::candidates::names::{FALLBACK, OLD_DESIGN, PIDFD, SIGCHLD, TOKIO};
use crate::figures::figure::{Faster, Figure};
use crate::figures::numbers::{count, ratio};
use crate::figures::stats::Ratio;
use crate::results::point::Point;
use crate::results::report::Report;

static RIVALS: [&str; 2] = [TOKIO, OLD_DESIGN];
static OURS: [&str; 3] = [PIDFD, SIGCHLD, FALLBACK];
/// The rows of the races. All their figures that measure speed are compared.
static RACES: [&str; 4] = ["latency", "live", "dead", "life"];

/// One figure of ours, compared with a rival's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Slower,
    /// Slower in the median, but not in the whole interval.
    WithinTheNoise,
    NotSlower,
}

/// Judges each of our backends against each rival.
pub(super) fn judge(report: &Report) -> impl Iterator<Item = Judged> {
    OURS.iter()
        .flat_map(move |ours| RIVALS.map(|rival| race(report, ours, rival)))
}

/// Judges whether one of ours is as fast as a rival wherever both were measured.
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

/// Returns `None` if the figure cannot be judged.
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

/// Checks that every name of this file exists.
#[cfg(test)]
pub(super) fn each_is_measured() {
    let mut names = RIVALS.iter().chain(&OURS);
    assert!(names.all(|name| crate::candidates::named(name).is_some()));
    assert!(RACES.iter().all(|row| crate::rows::named(row).is_some()));
}
