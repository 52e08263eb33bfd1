//! [`differences`]: two texts, line by line.

/// Returns the lines of only one of two texts, as a diff shows them.
pub(crate) fn differences(before: &str, now: &str) -> Vec<String> {
    let only = |sign, of: &str, other: &str| -> Vec<String> {
        of.lines()
            .filter(|line| !other.lines().any(|known| known == *line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    let mut differences = only('-', before, now);
    differences.extend(only('+', now, before));
    if differences.is_empty() && before != now {
        differences.push("the same lines in another order".to_owned());
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_from_both_sides() {
        assert_eq!(
            differences("| a | 1 |\n| b | 1 |\n", "| a | 1 |\n| b | 2 |\n"),
            ["- | b | 1 |", "+ | b | 2 |"]
        );
        assert_eq!(differences("same\n", "same\n"), [""; 0]);
        assert_eq!(
            differences("a\nb\n", "b\na\n"),
            ["the same lines in another order"]
        );
    }
}
