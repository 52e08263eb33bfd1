//! Quantiles, and statistics over rounds.

use super::interval::Interval;

/// The median of some rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) p10: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
}

impl Spread {
    /// Returns `None` if there are no rounds.
    pub(crate) fn of(rounds: &[f64]) -> Option<Self> {
        Some(Spread {
            p10: quantile(rounds, 0.1)?,
            p50: quantile(rounds, 0.5)?,
            p90: quantile(rounds, 0.9)?,
        })
    }
}

/// Returns the least of the values that a share of `share` of them do not exceed (the
/// nearest rank), or `None` if there are no values.
pub(crate) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Slightly less, because 0.9 of 10 is computed as 9.000000000000002.
    let rank = (share * sorted.len() as f64 - 1e-9).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The ratio of one candidate's figure to another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    /// The median of the ratios of single rounds: a slow round slows both candidates down.
    pub(crate) median: f64,
    pub(crate) interval: Option<Interval>,
}

impl Ratio {
    /// Takes both values of each round. Returns `None` if there are no rounds, or if the other
    /// value is always zero.
    pub(crate) fn of(rounds: impl Iterator<Item = (f64, f64)>) -> Option<Self> {
        let ratios: Vec<_> = rounds
            .filter(|(_, other)| *other > 0.0)
            .map(|(value, other)| value / other)
            .collect();
        Some(Ratio {
            median: quantile(&ratios, 0.5)?,
            interval: Interval::of_the_median(&ratios),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let hundred: Vec<_> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.5), Some(50.0));
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
        assert_eq!(quantile(&hundred, 1.0), Some(100.0));
        assert_eq!(quantile(&hundred, 0.0), Some(1.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_spread_leaves_out_the_outermost_rounds() {
        let rounds: Vec<_> = (1..=10).map(f64::from).chain([1_000.0]).collect();
        let spread = Spread::of(&rounds).unwrap();
        assert_eq!((spread.p10, spread.p50, spread.p90), (2.0, 6.0, 10.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // The medians' own ratio would be 3.
        let rounds = [(2.0, 1.0), (20.0, 10.0), (3.0, 1.0)];
        assert_eq!(Ratio::of(rounds.into_iter()).unwrap().median, 2.0);
        assert_eq!(Ratio::of([(1.0, 0.0)].into_iter()), None);
        assert_eq!(Ratio::of([].into_iter()), None);
    }
}
