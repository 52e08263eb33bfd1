//! Made-up crates. The tests use them.

use proc_macro2::TokenStream;

use super::imports::Imports;
use super::tree::Tree;

/// Files by their names and texts.
pub(super) fn files(
    sources: &[(&str, &str)],
) -> impl Fn(&str) -> anyhow::Result<Option<TokenStream>> {
    let sources: Vec<_> = sources
        .iter()
        .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
        .collect();
    move |file| {
        let source = sources.iter().find(|(known, _)| known == file);
        Ok(source.map(|(_, text)| text.parse().unwrap()))
    }
}

/// The imports of a crate whose root is `lib.rs`.
pub(super) fn imports(sources: &[(&str, &str)]) -> Imports {
    Imports::of(&Tree::read(&files(sources), "lib.rs").unwrap())
}
