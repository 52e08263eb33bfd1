//! [`Interval`]: between which values the true median lies, as far as some rounds tell.
//!
//! The true median is what ever more rounds would come to. Each round is as likely to lie
//! below it as above it, whatever else is known of how rounds are spread. So the number of
//! rounds below it is that of heads in as many throws of a coin, and it lies between the
//! k-th lowest and the k-th highest round, unless fewer than k throws are heads, or fewer
//! than k are tails. k is the greatest for which that is at most 5 % likely. Nothing is
//! approximated, and no kind of distribution is supposed.

/// At least so sure.
const CONFIDENCE: f64 = 0.95;

/// With a likelihood of at least 95 % the true median is none outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Interval {
    /// `None` of fewer than six rounds: that all of five lie on one side of it is more than
    /// 5 % likely.
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

/// k, counted from one; zero where there is none.
fn rank(rounds: usize) -> usize {
    let either_side = (1.0 - CONFIDENCE) / 2.0;
    // How likely it is that fewer than `rank + 1` throws are heads. Each summand is that of
    // one number of heads, as a logarithm: of many throws it is less than there are floats.
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
