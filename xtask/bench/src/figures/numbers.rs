//! Numbers, as people read them.

use super::figure::Unit;
use super::stats::Ratio;

/// Writes a count with separated thousands.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a value without its unit, in three significant digits.
pub(crate) fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => count(value.round() as usize),
        Unit::Bytes => count(value.round() as usize),
        _ if value == 0.0 => "0".to_owned(),
        _ if value >= 1_000.0 => count(value.round() as usize),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Writes a factor.
pub(crate) fn times(times: f64) -> String {
    format!("{}×", factor(times))
}

/// Writes a ratio, with its interval if there were enough rounds.
pub(crate) fn ratio(ratio: &Ratio) -> String {
    let median = times(ratio.median);
    match ratio.interval {
        None => median,
        Some(interval) => {
            let (low, high) = (factor(interval.low), factor(interval.high));
            format!("{median} ({low}–{high})")
        }
    }
}

fn factor(factor: f64) -> String {
    if factor >= 10.0 {
        format!("{factor:.0}")
    } else {
        format!("{factor:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let text = [0, 999, 1_000, 19_000, 1_234_567].map(count);
        assert_eq!(text, ["0", "999", "1,000", "19,000", "1,234,567"]);
    }

    #[test]
    fn a_ratio_is_told_with_its_interval_where_there_is_one() {
        let rounds = |count| Ratio::of([(2.08, 2.0)].into_iter().cycle().take(count)).unwrap();
        assert_eq!(ratio(&rounds(5)), "1.04×");
        assert_eq!(ratio(&rounds(6)), "1.04× (1.04–1.04)");
        let many = Ratio::of([(123.0, 1.0)].into_iter()).unwrap();
        assert_eq!(ratio(&many), "123×");
    }

    #[test]
    fn a_value_has_three_digits_that_mean_something() {
        let text = [0.0, 0.01234, 0.1234, 12.345, 123.4, 1_234.5]
            .map(|number| value(number, Unit::Microseconds));
        assert_eq!(text, ["0", "0.0123", "0.12", "12.3", "123", "1,235"]);
    }
}
