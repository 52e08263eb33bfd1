//! [`Axis`]: a logarithmic axis with ticks at round values, and with a place for zero.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::figures::numbers::count;

/// Its coordinates are [positions](position).
#[derive(Clone)]
pub(super) struct Axis {
    range: Range<f64>,
    ticks: Vec<Tick>,
}

#[derive(Clone)]
struct Tick {
    position: f64,
    label: String,
}

impl Axis {
    /// The axis of these numbers of children, in rising order, with a tick for each.
    pub(super) fn of_sizes(sizes: &[usize]) -> Self {
        let tick = |size: &usize| Tick {
            position: position(*size, sizes),
            label: size_label(*size),
        };
        let ticks: Vec<_> = sizes.iter().map(tick).collect();
        Axis {
            range: around(ticks.iter().map(|tick| tick.position)),
            ticks,
        }
    }

    /// The axis of these measured values, with as many ticks as are readable.
    pub(super) fn of_values(values: impl Iterator<Item = f64>) -> Self {
        let range = around(values.map(f64::log10));
        let ticks = STEPS.iter().map(|steps| ticks(&range, steps));
        let mut readable = ticks.skip_while(|ticks| ticks.len() > MOST_TICKS);
        let ticks = readable.next().unwrap_or_default();
        Axis { range, ticks }
    }
}

/// The places of ticks in each power of ten. A narrow range takes more of them.
const STEPS: [&[f64]; 5] = [
    &[
        1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0,
    ],
    &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
    &[1.0, 2.0, 3.0, 5.0, 7.0],
    &[1.0, 2.0, 5.0],
    &[1.0],
];
const MOST_TICKS: usize = 7;

fn ticks(range: &Range<f64>, steps: &[f64]) -> Vec<Tick> {
    let powers = range.start.floor() as i32..=range.end.ceil() as i32;
    let values = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
    let tick = |value: f64| Tick {
        position: value.log10(),
        label: label(value),
    };
    values
        .map(tick)
        .filter(|tick| range.contains(&tick.position))
        .collect()
}

/// Returns the place of a number of children on the axis of these. Zero has no logarithm, and
/// stands one step before the first.
pub(super) fn position(size: usize, sizes: &[usize]) -> f64 {
    if size > 0 {
        return (size as f64).log10();
    }
    let mut some = sizes.iter().filter(|size| **size > 0);
    let mut next = || some.next().map(|size| (*size as f64).log10());
    let first = next().unwrap_or_default();
    first - next().map_or(1.0, |second| second - first)
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (position - self.range.start) / (self.range.end - self.range.start);
        low + (share * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|tick| tick.position).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(_position: &f64) -> String {
        String::new()
    }

    fn format_ext(&self, position: &f64) -> String {
        let mut ticks = self.ticks.iter();
        let tick = ticks.find(|tick| tick.position == *position);
        tick.map_or_else(String::new, |tick| tick.label.clone())
    }
}

/// Thousands are written with a `k`, so that labels do not touch.
fn size_label(size: usize) -> String {
    match (size / 1_000, size % 1_000) {
        (thousands @ 1.., 0) => format!("{thousands}k"),
        _ => count(size),
    }
}

fn label(value: f64) -> String {
    if value >= 9.95 {
        return count(value.round() as usize);
    }
    let digits = format!("{value:.3}");
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// The range from the least to the greatest position, with room for their marks.
fn around(positions: impl Iterator<Item = f64>) -> Range<f64> {
    const ROOM: f64 = 0.06;
    let extremes = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, greatest) = positions.fold(extremes, |(least, greatest), position| {
        (least.min(position), greatest.max(position))
    });
    let room = (greatest - least).max(0.5) * ROOM;
    least - room..greatest + room
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn none_stands_one_step_before_the_first() {
        let sizes = [0, 1_000, 10_000];
        assert_eq!(sizes.map(|size| position(size, &sizes)), [2.0, 3.0, 4.0]);
        assert_eq!(labels(&Axis::of_sizes(&sizes)), ["0", "1k", "10k"]);
    }

    #[test]
    fn ticks_stand_at_round_values() {
        let narrow = Axis::of_values([23.0, 40.0].into_iter());
        assert_eq!(labels(&narrow), ["25", "30", "35", "40"]);
        let medium = Axis::of_values([19.0, 120.0].into_iter());
        assert_eq!(labels(&medium), ["20", "30", "40", "50", "60", "80", "100"]);
        let wide = Axis::of_values([0.1, 5_000.0].into_iter());
        assert_eq!(labels(&wide), ["0.1", "1", "10", "100", "1,000"]);
    }
}
