//! [`Imports`]: which file takes which names from which other file.
//!
//! A path is followed from module to module as far as its segments name modules. The file
//! of the last one is where the name is taken from. A name that is re-exported is therefore
//! taken from the file of the re-export, and that file takes it from the next.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::Path;
use super::tree::{Index, Module, ROOT, Tree};

/// By file, the files that it imports from, and what.
#[derive(Default)]
pub(super) struct Imports(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

/// What a path leads to.
#[derive(Clone, Debug, PartialEq)]
struct Target {
    module: Index,
    /// `None` if the path names the module itself.
    item: Option<String>,
}

/// How many imports a name may pass through, so that imports of each other have an end.
const LONGEST: usize = 16;

/// How many names are shown of each import.
const MOST_NAMES: usize = 4;

impl Imports {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut imports = Imports::default();
        for (index, module) in tree.modules.iter().enumerate() {
            imports.0.entry(module.file.clone()).or_default();
            for import in &module.imports {
                let target = tree.resolve(index, &import.path, LONGEST);
                let all = import.name.is_none().then(|| "*".to_owned());
                imports.add(tree, module, target, all);
            }
            for path in &module.paths {
                imports.add(tree, module, tree.resolve(index, path, LONGEST), None);
            }
            for name in &module.invoked {
                let module_of = tree.macros.get(name).copied();
                let target = module_of.map(|module| Target {
                    module,
                    item: Some(format!("{name}!")),
                });
                imports.add(tree, module, target, None);
            }
        }
        imports
    }

    fn add(&mut self, tree: &Tree, module: &Module, target: Option<Target>, all: Option<String>) {
        let Some(Target { module: from, item }) = target else {
            return;
        };
        let from = &tree.modules[from];
        if from.file == module.file {
            return;
        }
        let name = all.or(item).unwrap_or_else(|| "self".to_owned());
        let files = self.0.entry(module.file.clone()).or_default();
        files.entry(from.file.clone()).or_default().insert(name);
    }

    /// Every file, in the order of their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The files that a file imports from.
    pub(super) fn of_file(&self, file: &str) -> impl Iterator<Item = &str> {
        let files = self.0.get(file).into_iter();
        files.flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// A chain of files, each with the names that the file before it takes.
    pub(super) fn show(&self, chain: &[&str]) -> String {
        let mut text = chain.first().copied().unwrap_or_default().to_owned();
        for pair in chain.windows(2) {
            let names = &self.0[pair[0]][pair[1]];
            let shown: Vec<_> = names.iter().take(MOST_NAMES).map(String::as_str).collect();
            let shown = shown.join(", ");
            text += &match names.len().saturating_sub(MOST_NAMES) {
                0 => format!(" -> {} ({shown})", pair[1]),
                more => format!(" -> {} ({shown} and {more} more)", pair[1]),
            };
        }
        text
    }
}

impl Tree {
    /// `None` if the path leads out of the crate, or to a name of the module's own.
    fn resolve(&self, from: Index, path: &Path, steps: usize) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let mut module = match first.as_str() {
            "crate" => ROOT,
            "self" => from,
            "super" => self.modules[from].parent?,
            name => {
                let target = self.look_up(from, name, steps)?;
                if target.item.is_some() {
                    return Some(target);
                }
                target.module
            }
        };
        while let Some((next, others)) = rest.split_first() {
            if next == "super" {
                module = self.modules[module].parent?;
            } else if let Some(&child) = self.modules[module].children.get(next) {
                module = child;
            } else {
                let is_macro = module == ROOT && !self.has_import(ROOT, next);
                let defined = self.macros.get(next).filter(|_| is_macro);
                return Some(Target {
                    module: defined.copied().unwrap_or(module),
                    item: Some(next.clone()),
                });
            }
            rest = others;
        }
        Some(Target { module, item: None })
    }

    /// What a name means in a module, if the module has it from elsewhere in the crate.
    fn look_up(&self, from: Index, name: &str, steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let module = &self.modules[from];
        if let Some(&child) = module.children.get(name) {
            return Some(Target {
                module: child,
                item: None,
            });
        }
        let mut imports = module.imports.iter();
        let import = imports.find(|import| import.name.as_deref() == Some(name));
        if let Some(import) = import {
            // `use name;` or `use name::…` of another crate names itself.
            let is_itself = import.path.first().is_some_and(|first| first == name);
            return self
                .resolve(from, &import.path, steps)
                .filter(|_| !is_itself);
        }
        let globs = module.imports.iter().filter(|import| import.name.is_none());
        globs
            .filter(|glob| glob.path.first().is_some_and(|first| first != name))
            .filter_map(|glob| self.resolve(from, &glob.path, steps))
            .filter(|target| target.item.is_none() && target.module != from)
            .find_map(|target| self.look_up(target.module, name, steps))
    }

    fn has_import(&self, module: Index, name: &str) -> bool {
        let mut imports = self.modules[module].imports.iter();
        imports.any(|import| import.name.as_deref() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::imports;

    /// Each import as a line.
    fn lines(sources: &[(&str, &str)]) -> Vec<String> {
        let imports = imports(sources);
        let lines = imports.files().flat_map(|file| {
            let of_file = imports.of_file(file);
            of_file.map(|from| imports.show(&[file, from]))
        });
        lines.collect()
    }

    #[test]
    fn paths_lead_to_the_file_that_has_the_name() {
        let lines = lines(&[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "use crate::b::{self, c::D}; pub struct E; fn f() { b::g(); std::h(); }",
            ),
            ("b.rs", "mod c; mod i { use super::super::a::E; }"),
            (
                "b/c.rs",
                "use super::j; fn k() { let _: crate::a::E; self::l::M; Vec::new() } mod l {}",
            ),
        ]);
        assert_eq!(
            lines,
            [
                "a.rs -> b.rs (g, self)",
                "a.rs -> b/c.rs (D)",
                "b.rs -> a.rs (E)",
                "b/c.rs -> a.rs (E)",
                "b/c.rs -> b.rs (j)",
            ]
        );
    }

    #[test]
    fn a_re_export_counts_as_the_file_where_it_stands() {
        let lines = lines(&[
            ("lib.rs", "mod a; mod b; pub use a::c::D;"),
            ("a.rs", "pub mod c; pub use c::D;"),
            ("a/c.rs", "pub struct D;"),
            ("b.rs", "use crate::a::D; fn f(_: crate::D) {}"),
        ]);
        assert_eq!(
            lines,
            [
                "a.rs -> a/c.rs (D)",
                "b.rs -> a.rs (D)",
                "b.rs -> lib.rs (D)",
                "lib.rs -> a/c.rs (D)",
            ]
        );
    }

    #[test]
    fn imported_modules_and_globs_are_followed() {
        let lines = lines(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub mod c;"),
            ("a/c.rs", ""),
            (
                "b.rs",
                "use crate::a::*; use crate::a as e; fn f() { c::g(); e::c::h(); }",
            ),
        ]);
        assert_eq!(lines, ["b.rs -> a.rs (*, self)", "b.rs -> a/c.rs (g, h)"]);
    }

    #[test]
    fn a_macro_is_taken_from_the_file_that_defines_it() {
        let lines = lines(&[
            ("lib.rs", "#[macro_use] mod a; mod b; mod c;"),
            ("a.rs", "macro_rules! m { () => {} }"),
            ("b.rs", "m!();"),
            ("c.rs", "use crate::m;"),
        ]);
        assert_eq!(lines, ["b.rs -> a.rs (m!)", "c.rs -> a.rs (m)"]);
    }

    #[test]
    fn another_crate_of_a_modules_name_is_no_import() {
        let lines = lines(&[
            ("lib.rs", "mod tokio; mod a; use tokio::B;"),
            ("tokio.rs", "use tokio::C; fn f() { tokio::spawn() }"),
            (
                "a.rs",
                "use tokio; use log::{self}; fn f() { tokio::spawn(); log::g() }",
            ),
        ]);
        assert_eq!(lines, ["lib.rs -> tokio.rs (B)"]);
    }
}
