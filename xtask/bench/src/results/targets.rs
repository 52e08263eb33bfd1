//! The targets of our own backends, and whether a run meets them.
//!
//! A target holds for every number of children with which its row was measured. It is met
//! only if the median meets it each time, whatever the confidence interval. A target without
//! a measurement is reported as not measured.

use super::point::Point;
use super::report::Report;
use crate::candidates::names::{
    FLOOR, FLOOR_WITH_STATUS, PIDFD, PIDFD_DRIVEN, SIGCHLD, SIGCHLD_BLOCKED,
};
use crate::figures::figure::Figure;
use crate::figures::numbers::{count, ratio, times, value};
use crate::measuring::conditions::Effort;
use crate::rows;
use judged::{Judged, Verdict};

pub(crate) mod judged;
mod race;

/// One figure of one candidate, and its bound.
struct Target {
    candidate: &'static str,
    row: &'static str,
    figure: &'static str,
    /// The numbers of children. If there are none, the target holds for all.
    sizes: &'static [usize],
    bound: Bound,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    /// At most this many times the value of the row's floor.
    TimesFloor(f64),
    /// At most this many times the value of the floor that asks for the status.
    TimesFloorWithStatus(f64),
    /// Less than the value of the row's floor.
    BelowFloor,
    /// At most this value, in the figure's unit.
    AtMost(f64),
}

const fn target(
    candidate: &'static str,
    row: &'static str,
    figure: &'static str,
    bound: Bound,
) -> Target {
    Target {
        candidate,
        row,
        figure,
        sizes: &[],
        bound,
    }
}

/// A bound by the floor that asks for the status, as our own backends do.
const fn with_status(
    candidate: &'static str,
    row: &'static str,
    figure: &'static str,
    times: f64,
) -> Target {
    target(candidate, row, figure, Bound::TimesFloorWithStatus(times))
}

static TARGETS: &[Target] = &[
    target(PIDFD, "latency", "p50", Bound::TimesFloor(1.05)),
    target(PIDFD, "latency", "p99", Bound::TimesFloor(1.2)),
    target(PIDFD, "live", "register-cpu", Bound::TimesFloor(1.15)),
    target(PIDFD, "dead", "cpu", Bound::TimesFloor(1.15)),
    target(PIDFD, "live", "exits-cpu", Bound::TimesFloor(1.15)),
    with_status(PIDFD, "live", "exits-wall", 1.1),
    with_status(PIDFD, "registering", "exits-wall", 1.1),
    with_status(PIDFD, "dead", "wall", 1.25),
    with_status(PIDFD_DRIVEN, "live", "exits-wall", 1.1),
    with_status(PIDFD_DRIVEN, "registering", "exits-wall", 1.1),
    with_status(PIDFD_DRIVEN, "dead", "cpu", 1.15),
    with_status(PIDFD_DRIVEN, "dead", "wall", 1.25),
    with_status(PIDFD_DRIVEN, "loop", "p50", 1.05),
    target(PIDFD_DRIVEN, "task-tokio", "p50", Bound::TimesFloor(1.05)),
    target(
        PIDFD_DRIVEN,
        "task-tokio-threads",
        "p50",
        Bound::TimesFloor(1.05),
    ),
    target(
        PIDFD_DRIVEN,
        "task-async-io",
        "p50",
        Bound::TimesFloor(1.05),
    ),
    Target {
        sizes: CROWDS,
        ..target(PIDFD, "memory", "heap", Bound::AtMost(160.0))
    },
    Target {
        sizes: &[4_000, 16_000],
        ..target(SIGCHLD, "latency", "p50", Bound::TimesFloor(1.3))
    },
    target(SIGCHLD, "dead", "cpu", Bound::BelowFloor),
    target(SIGCHLD, "live", "exits-cpu", Bound::BelowFloor),
    target(SIGCHLD_BLOCKED, "live", "exits-cpu", Bound::BelowFloor),
    Target {
        sizes: CROWDS,
        ..target(SIGCHLD, "memory", "heap", Bound::AtMost(160.0))
    },
    Target {
        sizes: &[10_000],
        ..target(SIGCHLD, "idle", "cpu", Bound::AtMost(0.1))
    },
];

/// With fewer children, the first growth of a table is shared by too few.
const CROWDS: &[usize] = &[1_000, 10_000, 19_000, 50_000];

/// Judges all targets. A quick run has none, because its numbers mean nothing.
pub(crate) fn judge(report: &Report) -> Vec<Judged> {
    if report.conditions.effort == Effort::Quick {
        return Vec::new();
    }
    let targets = TARGETS.iter().map(|target| target.judge(report));
    targets.chain(race::judge(report)).collect()
}

impl Target {
    fn judge(&self, report: &Report) -> Judged {
        let mut measured = Vec::new();
        let mut beside_status = Vec::new();
        let mut verdict = Verdict::NotMeasured;
        let mut title = format!("{} {}", self.row, self.figure);
        for point in report.points_of(self.row, self.candidate) {
            let Some(figure) = point.figure(self.figure) else {
                continue;
            };
            title = format!("{}, {}", self.row, figure.title);
            if !self.sizes.is_empty() && !self.sizes.contains(&point.size) {
                continue;
            }
            let size = count(point.size);
            let Some((text, is_met)) = self.bound.judge(report, point, figure) else {
                continue;
            };
            measured.push(format!("{size}: {text}"));
            if verdict != Verdict::Missed {
                verdict = if is_met && point.failure().is_none() {
                    Verdict::Met
                } else {
                    Verdict::Missed
                };
            }
            if let Some(other) = report.beside(point, FLOOR_WITH_STATUS, figure) {
                beside_status.push(format!("{size}: {}", ratio(&other)));
            }
        }
        // Where this is the bound itself, or the figure is not compared, it is not repeated.
        if matches!(
            self.bound,
            Bound::AtMost(_) | Bound::TimesFloorWithStatus(_)
        ) {
            beside_status.clear();
        }
        let floor = match rows::named(self.row) {
            Some(row) if row.floor != FLOOR => row.floor,
            _ => "the floor",
        };
        Judged {
            target: format!("{}: {title} {}", self.candidate, self.bound.text(floor)),
            measured: measured.join(", "),
            beside_status: beside_status.join(", "),
            verdict,
        }
    }
}

impl Bound {
    fn text(self, floor: &str) -> String {
        match self {
            Bound::TimesFloor(most) => format!("≤ {} of {floor}'s", times(most)),
            Bound::TimesFloorWithStatus(most) => {
                format!("≤ {} of {FLOOR_WITH_STATUS}'s", times(most))
            }
            Bound::BelowFloor => format!("< {floor}'s"),
            Bound::AtMost(most) => format!("≤ {most}"),
        }
    }

    /// Returns the measured value as text, and `true` if it keeps the bound.
    fn judge(self, report: &Report, point: &Point, figure: &Figure) -> Option<(String, bool)> {
        if point.failure().is_some() && point.median(figure).is_none() {
            return Some(("✗".to_owned(), false));
        }
        match self {
            Bound::TimesFloor(most) => {
                let measured = report.beside(point, point.row.floor, figure)?;
                Some((ratio(&measured), measured.median <= most))
            }
            Bound::TimesFloorWithStatus(most) => {
                let measured = report.beside(point, FLOOR_WITH_STATUS, figure)?;
                Some((ratio(&measured), measured.median <= most))
            }
            Bound::BelowFloor => {
                let measured = report.beside(point, point.row.floor, figure)?;
                Some((ratio(&measured), measured.median < 1.0))
            }
            Bound::AtMost(most) => {
                let measured = point.median(figure)?;
                let unit = figure.unit;
                let text = format!("{} {}", value(measured, unit), unit.symbol());
                Some((text, measured <= most))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates::names::TOKIO;
    use crate::measuring::conditions::Conditions;
    use crate::measuring::outcome::{Outcome, single};

    fn report(effort: Effort, pidfd: f64) -> Report {
        report_of(effort, &[pidfd; 6])
    }

    fn report_of(effort: Effort, pidfd: &[f64]) -> Report {
        let round = |value| Outcome::Measured(single([("cpu", value), ("wall", value)])).into();
        let point = |candidate: &'static str, values: &[f64]| Point {
            row: rows::named("dead").unwrap(),
            size: 1_000,
            candidate,
            rounds: values.iter().copied().map(round).collect(),
        };
        let same = |value| vec![value; pidfd.len()];
        let conditions = Conditions { effort, pin: false };
        Report {
            place: String::new(),
            command: String::new(),
            conditions,
            points: vec![
                point(FLOOR, &same(1.0)),
                point(PIDFD, pidfd),
                point(TOKIO, &same(1.2)),
            ],
            circles: Vec::new(),
        }
    }

    fn verdict(report: &Report, target: &str) -> Verdict {
        let judged = judge(report);
        let found = judged
            .iter()
            .find(|judged| judged.target.starts_with(target));
        found.unwrap().verdict
    }

    #[test]
    fn a_bound_is_met_missed_or_not_measured() {
        let dead = "pidfd: dead, processor time, a child ≤ 1.15×";
        assert_eq!(verdict(&report(Effort::Full, 1.1), dead), Verdict::Met);
        assert_eq!(verdict(&report(Effort::Full, 1.3), dead), Verdict::Missed);
        let latency = "pidfd: latency p50";
        let nothing = report(Effort::Full, 1.1);
        assert_eq!(verdict(&nothing, latency), Verdict::NotMeasured);
        assert!(judge(&report(Effort::Quick, 1.1)).is_empty());
    }

    #[test]
    fn who_is_slower_in_anything_has_missed() {
        let race = "pidfd: never slower than tokio";
        assert_eq!(verdict(&report(Effort::Full, 1.1), race), Verdict::Met);
        assert_eq!(verdict(&report(Effort::Full, 1.3), race), Verdict::Missed);
        let old = "pidfd: never slower than old design";
        assert_eq!(
            verdict(&report(Effort::Full, 1.1), old),
            Verdict::NotMeasured
        );
    }

    #[test]
    fn who_is_slower_within_the_noise_alone_has_not_missed() {
        let rounds = [1.1, 1.3, 1.3, 1.3, 1.3, 1.3];
        let judged = judge(&report_of(Effort::Full, &rounds));
        let race = "pidfd: never slower than tokio";
        let race = judged.iter().find(|judged| judged.target == race).unwrap();
        assert_eq!(race.verdict, Verdict::Met);
        assert_eq!(
            race.measured,
            "slower in none of 2 figures; and 2 more within the noise: \
             dead cpu of 1,000: 1.08× (0.92–1.08), dead wall of 1,000: 1.08× (0.92–1.08)"
        );
    }

    #[test]
    fn a_race_of_too_few_rounds_says_nothing() {
        let race = "pidfd: never slower than tokio";
        let report = report_of(Effort::Full, &[1.3; 5]);
        assert_eq!(verdict(&report, race), Verdict::NotMeasured);
    }

    #[test]
    fn each_target_is_of_something_that_is_measured() {
        for target in TARGETS {
            let row = rows::named(target.row).unwrap();
            assert!(row.candidates.contains(&target.candidate));
            let figures = row.figures;
            assert!(figures.iter().any(|figure| figure.name == target.figure));
            if matches!(target.bound, Bound::TimesFloorWithStatus(_)) {
                assert!(row.candidates.contains(&FLOOR_WITH_STATUS));
            }
        }
        race::each_is_measured();
    }
}
