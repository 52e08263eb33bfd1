//! [`Interval`]: a confidence interval for the true median of the rounds.
//!
//! The true median is the limit for ever more rounds. Each round is as likely to lie below
//! it as above it, whatever the distribution of the rounds. The number of rounds below it is
//! therefore distributed like the number of heads in as many throws of a coin.
//!
//! If at least k throws are heads and at least k are tails, the true median lies between the
//! k-th lowest and the k-th highest round. The interval takes the greatest k for which the
//! opposite is at most 5 % likely. Nothing is approximated, and no distribution is assumed.

/// The least confidence of an interval.
const CONFIDENCE: f64 = 0.95;

/// The true median lies in it with a likelihood of at least 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Interval {
    /// Returns `None` for fewer than six rounds: it is more than 5 % likely that all of five
    /// lie on one side of the true median.
    pub(crate) fn of_the_median(rounds: &[f64]) -> Option<Self> {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let lowest = rank(sorted.len()).checked_sub(1)?;
        let highest = sorted.len().checked_sub(1 + lowest)?;
        Some(Interval {
            low: *sorted.get(lowest)?,
            high: *sorted.get(highest)?,
        })
    }
}

/// Returns k, counted from one, or zero if there is none.
fn rank(rounds: usize) -> usize {
    let either_side = (1.0 - CONFIDENCE) / 2.0;
    // The likelihood that fewer than `rank + 1` throws are heads. Each summand is the
    // likelihood of one number of heads. It is kept as a logarithm, because with many throws
    // it is too small for a float.
    let mut fewer = 0.0;
    let mut logarithm = -(rounds as f64) * std::f64::consts::LN_2;
    let mut rank = 0;
    while 2 * rank < rounds {
        fewer += logarithm.exp();
        if fewer > either_side {
            break;
        }
        logarithm += ((rounds - rank) as f64 / (rank + 1) as f64).ln();
        rank += 1;
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranks_are_those_of_the_tables() {
        let ranks = [5, 6, 8, 9, 11, 12, 15, 20, 31, 100].map(rank);
        assert_eq!(ranks, [0, 1, 1, 2, 2, 3, 4, 6, 10, 40]);
    }

    /// Each way in which throws can fall is counted.
    #[test]
    fn it_holds_the_median_as_often_as_it_says() {
        for rounds in 6..=16_usize {
            let is_outside = |rank: usize| {
                move |throws: &u32| {
                    let heads = throws.count_ones() as usize;
                    heads < rank || rounds - heads < rank
                }
            };
            let all = 1_u32 << rounds;
            let share = |rank| (0..all).filter(is_outside(rank)).count() as f64 / f64::from(all);
            assert!(share(rank(rounds)) <= 0.05);
            assert!(share(rank(rounds) + 1) > 0.05);
        }
    }

    #[test]
    fn fewer_than_six_rounds_tell_nothing() {
        assert_eq!(Interval::of_the_median(&[]), None);
        assert_eq!(Interval::of_the_median(&[1.0; 5]), None);
    }

    #[test]
    fn it_leaves_as_many_rounds_out_below_as_above() {
        let rounds = [9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0];
        let interval = Interval::of_the_median(&rounds).unwrap();
        assert_eq!((interval.low, interval.high), (2.0, 8.0));
    }

    #[test]
    fn thousands_of_rounds_make_it_narrow_and_not_wrong() {
        let rounds: Vec<_> = (0..10_001).map(f64::from).collect();
        let interval = Interval::of_the_median(&rounds).unwrap();
        assert!((4_895.0..4_910.0).contains(&interval.low), "{interval:?}");
        assert!((5_090.0..5_105.0).contains(&interval.high), "{interval:?}");
    }
}
