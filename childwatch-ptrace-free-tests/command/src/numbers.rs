//! Numbers on the command line.

use std::ops::RangeInclusive;

/// Returns a parser for whole numbers in `range`. Its error says what is allowed.
pub fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number: u64| T::try_from(number).ok())
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                format!("it takes a whole number from {least} to {most}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_of_the_range_is_answered_with_the_range() {
        let parse = whole::<usize>(1..=100);
        assert_eq!((parse("1"), parse("100")), (Ok(1), Ok(100)));
        for text in ["0", "101", "-1", "1.5", "many", "", "99999999999999999999"] {
            let error = "it takes a whole number from 1 to 100".to_owned();
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
