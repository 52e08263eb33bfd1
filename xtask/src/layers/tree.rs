//! [`Tree`]: the modules of a crate, and the file in which each stands.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use anyhow::{Context, bail};
use proc_macro2::TokenStream;

use super::scan::{Import, Path, Scope};

/// The index of a module in its tree. The crate's root is the first.
pub(super) type Index = usize;

pub(super) const ROOT: Index = 0;

pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
    /// The module that defines each macro. A macro is found by its name alone, or at the
    /// crate's root.
    pub(super) macros: BTreeMap<String, Index>,
}

pub(super) struct Module {
    /// The path of its file in the workspace.
    pub(super) file: String,
    pub(super) parent: Option<Index>,
    pub(super) children: BTreeMap<String, Index>,
    pub(super) imports: Vec<Import>,
    pub(super) paths: Vec<Path>,
    pub(super) invoked: Vec<String>,
}

/// Where files come from: `None` if there is none of this name.
pub(super) type Files<'a> = &'a dyn Fn(&str) -> anyhow::Result<Option<TokenStream>>;

impl Tree {
    /// Reads a crate from the file of its root, such as `childwatch-core/src/lib.rs`.
    pub(super) fn read(files: Files<'_>, root: &str) -> anyhow::Result<Self> {
        let tokens = files(root)?.with_context(|| format!("{root} does not exist"))?;
        let mut tree = Tree {
            modules: Vec::new(),
            macros: BTreeMap::new(),
        };
        let folder = folder_of(root, true);
        tree.add(files, None, Scope::of(tokens), root, &folder)?;
        Ok(tree)
    }

    /// Adds a module and all below it. The files of its children are in `folder`.
    fn add(
        &mut self,
        files: Files<'_>,
        parent: Option<Index>,
        scope: Scope,
        file: &str,
        folder: &FilePath,
    ) -> anyhow::Result<Index> {
        let index = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            imports: scope.imports,
            paths: scope.paths,
            invoked: scope.invoked,
        });
        self.macros
            .extend(scope.macros.into_iter().map(|name| (name, index)));
        for declared in scope.modules {
            let name = declared.name;
            let child = match declared.body {
                Some(body) => self.add(files, Some(index), body, file, &folder.join(&name))?,
                None => {
                    let (file, tokens) = find(files, folder, &name)
                        .with_context(|| format!("`mod {name};` in {file}"))?;
                    let folder = folder_of(&file, false);
                    self.add(files, Some(index), Scope::of(tokens), &file, &folder)?
                }
            };
            self.modules[index].children.insert(name, child);
        }
        Ok(index)
    }
}

/// The file of a module, and what is in it.
fn find(files: Files<'_>, folder: &FilePath, name: &str) -> anyhow::Result<(String, TokenStream)> {
    let file = |path: PathBuf| path.display().to_string();
    let alone = file(folder.join(format!("{name}.rs")));
    let inside = file(folder.join(name).join("mod.rs"));
    for file in [&alone, &inside] {
        if let Some(tokens) = files(file)? {
            return Ok((file.clone(), tokens));
        }
    }
    bail!("neither {alone} nor {inside} exists")
}

/// The folder of the files of a file's modules.
fn folder_of(file: &str, is_root: bool) -> PathBuf {
    let path = FilePath::new(file);
    if is_root || path.ends_with("mod.rs") {
        path.parent().map(FilePath::to_owned).unwrap_or_default()
    } else {
        path.with_extension("")
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::files;
    use super::*;

    #[test]
    fn each_module_has_its_file() {
        let files = files(&[
            ("p/src/lib.rs", "mod a; mod b { mod c; }"),
            ("p/src/a.rs", "mod d;"),
            ("p/src/a/d.rs", ""),
            ("p/src/b/c/mod.rs", "mod e; macro_rules! m { () => {} }"),
            ("p/src/b/c/e.rs", ""),
        ]);
        let tree = Tree::read(&files, "p/src/lib.rs").unwrap();
        let files: Vec<_> = tree.modules.iter().map(|module| &*module.file).collect();
        assert_eq!(
            files,
            [
                "p/src/lib.rs",
                "p/src/a.rs",
                "p/src/a/d.rs",
                "p/src/lib.rs",
                "p/src/b/c/mod.rs",
                "p/src/b/c/e.rs",
            ]
        );
        assert_eq!(tree.macros["m"], 4);
    }

    #[test]
    fn a_module_without_a_file_is_an_error() {
        let files = files(&[("p/src/lib.rs", "mod a;")]);
        let error = Tree::read(&files, "p/src/lib.rs").err().unwrap();
        assert_eq!(
            format!("{error:#}"),
            "`mod a;` in p/src/lib.rs: neither p/src/a.rs nor p/src/a/mod.rs exists"
        );
    }
}
