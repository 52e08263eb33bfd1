//! Names on the command line: whole names, parts of names, and the nearest known names.

/// How many near names an error shows.
const SHOWN: usize = 3;

/// A name that is less like another than this is not near.
const NEAR: f64 = 0.4;

/// Returns the names that `part` means: the name itself, if there is one of it, and otherwise
/// each name that contains it.
pub fn matching<T: Copy>(
    part: &str,
    all: impl Iterator<Item = T> + Clone,
    name: impl Fn(T) -> &'static str,
) -> Vec<T> {
    match all.clone().find(|one| name(*one) == part) {
        Some(one) => vec![one],
        None => all.filter(|one| name(*one).contains(part)).collect(),
    }
}

/// Returns an error text for a name that is not known, with the nearest known names.
pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = nearest(name, known);
    let head = format!("no {what} is called `{name}`");
    match &near[..] {
        [] => head,
        near => format!("{head}; the nearest: {}", near.join(", ")),
    }
}

/// Returns the names that are most like `name`, the nearest first.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<_> = known.map(|one| (likeness(name, one), one)).collect();
    near.retain(|(likeness, _)| *likeness >= NEAR);
    near.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    near.into_iter().map(|(_, one)| one).take(SHOWN).collect()
}

/// Returns 1 for equal names, and 0 for names that have nothing in common. Pairs of letters
/// find a long name by a part of it, and edits find a short name with a slip.
fn likeness(left: &str, right: &str) -> f64 {
    strsim::sorensen_dice(left, right).max(strsim::normalized_damerau_levenshtein(left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["pidfd", "pidfd-driven", "sigchld", "a_zombie_is_registered"];

    fn matched(part: &str) -> Vec<&'static str> {
        matching(part, KNOWN.iter().copied(), |name| name)
    }

    #[test]
    fn a_whole_name_means_itself_and_a_part_each_name_that_has_it() {
        assert_eq!(matched("pidfd"), ["pidfd"]);
        assert_eq!(matched("pid"), ["pidfd", "pidfd-driven"]);
        assert_eq!(matched("kqueue"), [""; 0]);
    }

    #[test]
    fn a_slip_finds_the_nearest_names_and_nonsense_finds_none() {
        let error = |name| unknown("backend", name, KNOWN.into_iter());
        assert_eq!(
            error("pdifd"),
            "no backend is called `pdifd`; the nearest: pidfd"
        );
        assert_eq!(
            error("zombi_registerd"),
            "no backend is called `zombi_registerd`; the nearest: a_zombie_is_registered"
        );
        assert_eq!(error("xyz"), "no backend is called `xyz`");
    }
}
