//! [`Circle`]: files that import from each other, each from each by a chain.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::imports::Imports;

/// The files of a circle, in the order of their paths. A file may be in one circle only:
/// circles that share a file are one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Circle<'a>(pub(super) Vec<&'a str>);

/// All circles, in the order of their first files.
pub(super) fn circles(imports: &Imports) -> Vec<Circle<'_>> {
    let mut circles = Vec::new();
    let mut known = BTreeSet::new();
    for file in imports.files() {
        if known.contains(file) {
            continue;
        }
        let below = reached(imports, file);
        let in_circle = |other: &&str| reached(imports, other).contains_key(file);
        let files: Vec<_> = below.keys().copied().filter(in_circle).collect();
        if !files.is_empty() {
            known.extend(files.iter().copied());
            circles.push(Circle(files));
        }
    }
    circles
}

impl Circle<'_> {
    /// The shortest chain from a file of the circle back to itself.
    pub(super) fn shortest_chain<'a>(&self, imports: &'a Imports) -> Vec<&'a str> {
        let chains = self.0.iter();
        let chains = chains.map(|file| chain(&reached(imports, file), file, file));
        chains.min_by_key(Vec::len).unwrap_or_default()
    }
}

/// The files that a file reaches by imports, each with the file before it on a shortest
/// chain. A file in a circle reaches itself.
fn reached<'a>(imports: &'a Imports, from: &str) -> BTreeMap<&'a str, &'a str> {
    reached_through(imports, from, |_| true)
}

/// The same of chains on which only the last file may be another than `passes` allows.
pub(super) fn reached_through<'a>(
    imports: &'a Imports,
    from: &str,
    passes: impl Fn(&str) -> bool,
) -> BTreeMap<&'a str, &'a str> {
    let mut before = BTreeMap::new();
    let start = imports.files().filter(|file| *file == from);
    let mut next: VecDeque<_> = start.collect();
    while let Some(file) = next.pop_front() {
        for imported in imports.of_file(file) {
            if !before.contains_key(imported) {
                before.insert(imported, file);
                if imported != from && passes(imported) {
                    next.push_back(imported);
                }
            }
        }
    }
    before
}

/// Returns the chain from a file to a file that it reaches.
pub(super) fn chain<'a>(before: &BTreeMap<&'a str, &'a str>, from: &str, to: &str) -> Vec<&'a str> {
    let mut chain = Vec::new();
    let mut here = to;
    while let Some((file, previous)) = before.get_key_value(here) {
        chain.push(*file);
        here = previous;
        if *previous == from {
            chain.push(previous);
            break;
        }
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::super::samples::imports;
    use super::*;

    #[test]
    fn a_circle_is_shown_as_its_shortest_chain() {
        let imports = imports(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            (
                "a.rs",
                "use crate::b::{B, C}; use crate::c::D; use crate::d::E;",
            ),
            ("b.rs", "use crate::c::D;"),
            ("c.rs", "use crate::a::A;"),
            ("d.rs", ""),
        ]);
        let circles = circles(&imports);
        assert_eq!(circles, [Circle(vec!["a.rs", "b.rs", "c.rs"])]);
        let chain = circles[0].shortest_chain(&imports);
        assert_eq!(imports.show(&chain), "a.rs -> c.rs (D) -> a.rs (A)");
    }

    #[test]
    fn a_parent_that_its_children_import_is_in_a_circle_with_them() {
        let imports = imports(&[
            ("lib.rs", "mod a; mod e;"),
            ("a.rs", "mod b; mod c; use b::B; pub struct D;"),
            ("a/b.rs", "use super::D;"),
            ("a/c.rs", "use crate::a::D;"),
            ("e.rs", "use crate::a::D; mod f { use super::*; }"),
        ]);
        assert_eq!(circles(&imports), [Circle(vec!["a.rs", "a/b.rs"])]);
    }

    #[test]
    fn declarations_re_exports_and_tests_make_no_circle() {
        let imports = imports(&[
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            (
                "a.rs",
                "use crate::b::B; #[cfg(test)] mod tests { use crate::A; }",
            ),
            ("b.rs", "#[cfg(test)] use crate::a::A;"),
        ]);
        assert_eq!(circles(&imports), []);
    }
}
