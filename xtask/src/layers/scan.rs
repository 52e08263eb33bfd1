//! [`Scope`]: the modules, imports and paths in the tokens of a module.
//!
//! It is read from tokens and not from syntax, so that the arguments and bodies of macros
//! count as well. `#[cfg(test)]` items are left out.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

use super::test_only::{is_test_only, pass_over_item};
use super::tokens::{Tokens, is, name, next_is, peek};

/// The segments of a path, such as `crate`, `registry`, `Slot`.
pub(super) type Path = Vec<String>;

/// A module's own tokens.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Scope {
    pub(super) modules: Vec<Declared>,
    pub(super) imports: Vec<Import>,
    /// Paths of at least two segments, outside `use`.
    pub(super) paths: Vec<Path>,
    /// The names that `macro_rules!` defines here.
    pub(super) macros: Vec<String>,
    /// The names of the macros that are invoked here without a path.
    pub(super) invoked: Vec<String>,
}

/// `mod name`.
#[derive(Debug, PartialEq)]
pub(super) struct Declared {
    pub(super) name: String,
    /// `None` if the module has a file of its own.
    pub(super) body: Option<Scope>,
}

/// One name that a `use` brings into scope.
#[derive(Debug, PartialEq)]
pub(super) struct Import {
    /// `None` for `*`.
    pub(super) name: Option<String>,
    pub(super) path: Path,
}

impl Scope {
    /// Reads a file or the body of a module.
    pub(super) fn of(tokens: TokenStream) -> Self {
        let mut scope = Scope::default();
        scope.scan(tokens);
        scope
    }

    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut tokens = tokens.iter();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(word) => self.scan_word(&name(word), &mut tokens),
                TokenTree::Punct(mark) => match mark.as_char() {
                    '#' => {
                        if next_is(&tokens, '!') {
                            tokens.next();
                        }
                        self.scan_attribute(&mut tokens);
                    }
                    // A path from the root of another crate.
                    ':' if mark.spacing() == Spacing::Joint && next_is(&tokens, ':') => {
                        tokens.next();
                        pass_over_path(&mut tokens);
                    }
                    // A variable of a macro, or `$crate`: the path is for the macro's users, and
                    // therefore has to be a public one.
                    '$' => pass_over_path(&mut tokens),
                    // A lifetime.
                    '\'' => {
                        tokens.next();
                    }
                    _ => {}
                },
                TokenTree::Literal(_) => {}
            }
        }
    }

    fn scan_word(&mut self, word: &str, tokens: &mut Tokens<'_>) {
        match word {
            // `use<'a>` is a bound.
            "use" if !next_is(tokens, '<') => {
                let end = tokens.as_slice().iter().position(|token| is(token, ';'));
                let (tree, rest) = tokens.as_slice().split_at(end.unwrap_or(tokens.len()));
                *tokens = rest.iter();
                self.import(&[], tree);
            }
            "mod" => self.declare(tokens),
            "macro_rules" if next_is(tokens, '!') => {
                tokens.next();
                if let Some(TokenTree::Ident(word)) = tokens.next() {
                    self.macros.push(name(word));
                }
            }
            "pub" => {
                if let Some(TokenTree::Group(group)) = peek(tokens) {
                    if is_visibility(group) {
                        tokens.next();
                    }
                }
            }
            _ => {
                let path = rest_of_path(word.to_owned(), tokens);
                if path.len() > 1 {
                    self.paths.push(path);
                } else if next_is(tokens, '!') {
                    self.invoked.push(word.to_owned());
                }
            }
        }
    }

    fn declare(&mut self, tokens: &mut Tokens<'_>) {
        let Some(TokenTree::Ident(word)) = peek(tokens) else {
            return;
        };
        let name = name(word);
        tokens.next();
        let body = match peek(tokens) {
            Some(TokenTree::Group(body)) => Some(Scope::of(body.stream())),
            _ => None,
        };
        tokens.next();
        self.modules.push(Declared { name, body });
    }

    /// Reads an attribute after its `#`. The item of `#[cfg(test)]` is passed over.
    fn scan_attribute(&mut self, tokens: &mut Tokens<'_>) {
        let Some(TokenTree::Group(attribute)) = peek(tokens) else {
            return;
        };
        let attribute = attribute.stream();
        tokens.next();
        if is_test_only(attribute.clone()) {
            pass_over_item(tokens);
        } else {
            self.scan(attribute);
        }
    }

    /// Adds the names of a tree of `use`, below a path.
    fn import(&mut self, below: &[String], tree: &[TokenTree]) {
        let mut path = below.to_vec();
        let mut tokens = tree.iter();
        let mut alias = None;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if *word == "as" => {
                    alias = tokens.next().map(|alias| alias.to_string());
                }
                TokenTree::Ident(word) if *word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(name(word)),
                TokenTree::Punct(mark) if mark.as_char() == '*' => {
                    self.imports.push(Import { name: None, path });
                    return;
                }
                // From the root of another crate.
                TokenTree::Punct(mark) if mark.as_char() == ':' && path.is_empty() => return,
                TokenTree::Group(group) => {
                    let trees: Vec<_> = group.stream().into_iter().collect();
                    for tree in trees.split(|token| is(token, ',')) {
                        self.import(&path, tree);
                    }
                    return;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if !path.is_empty() {
            let name = alias.or_else(|| path.last().cloned());
            self.imports.push(Import { name, path });
        }
    }
}

/// The segments that follow the first, as far as they are names.
fn rest_of_path(first: String, tokens: &mut Tokens<'_>) -> Path {
    let mut path = vec![first];
    loop {
        let mut ahead = tokens.clone();
        let colons = (ahead.next(), ahead.next());
        let (Some(one), Some(other)) = colons else {
            return path;
        };
        let Some(TokenTree::Ident(segment)) = ahead.next() else {
            return path;
        };
        if !is(one, ':') || !is(other, ':') {
            return path;
        }
        path.push(name(segment));
        *tokens = ahead;
    }
}

fn pass_over_path(tokens: &mut Tokens<'_>) {
    if let Some(TokenTree::Ident(word)) = peek(tokens) {
        tokens.next();
        rest_of_path(name(word), tokens);
    }
}

/// Returns `true` for the group after `pub`, which names where an item is visible.
fn is_visibility(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    let is_word = |word: &str| ["crate", "super", "self", "in"].contains(&word);
    let alone = group.stream().into_iter().count() == 1;
    group.delimiter() == Delimiter::Parenthesis
        && matches!(first, Some(TokenTree::Ident(word)) if is_word(&word.to_string())
            && (alone || word == "in"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::of(text.parse().unwrap())
    }

    fn imports(text: &str) -> Vec<String> {
        let shown = |import: &Import| {
            let name = import.name.as_deref().unwrap_or("*");
            format!("{} = {name}", import.path.join("::"))
        };
        scope(text).imports.iter().map(shown).collect()
    }

    fn paths(text: &str) -> Vec<String> {
        let paths = scope(text).paths;
        paths.iter().map(|path| path.join("::")).collect()
    }

    fn modules(text: &str) -> Vec<String> {
        let modules = scope(text).modules;
        modules.into_iter().map(|module| module.name).collect()
    }

    #[test]
    fn each_name_of_a_use_is_an_import() {
        assert_eq!(
            imports("pub(crate) use a::{self, b::{C, d as e}, f::*}; use crate::r#type::G as _;"),
            [
                "a = a",
                "a::b::C = C",
                "a::b::d = e",
                "a::f = *",
                "crate::type::G = _",
            ]
        );
    }

    #[test]
    fn other_crates_from_their_root_are_no_imports() {
        assert_eq!(
            imports("use ::a::B; use {::c::D, super::E};"),
            ["super::E = E"]
        );
        assert_eq!(paths("let a: ::b::C = ::d::e(f::g());"), ["f::g"]);
    }

    #[test]
    fn paths_are_found_in_expressions_types_macros_and_attributes() {
        let text = "#[arg(value_parser = a::parse())] struct S(pub(crate) B, pub (c::D));\n\
                    fn f<'a>(e: &'a mut g::H<super::I>) -> impl J + use<'a> { k!(crate::l::m()); n.o::<p::Q>() }\n\
                    macro_rules! r { ($s:ident) => { $crate::t::u($s::v) } }";
        assert_eq!(
            paths(text),
            [
                "a::parse",
                "c::D",
                "g::H",
                "super::I",
                "crate::l::m",
                "p::Q"
            ]
        );
        assert_eq!(scope(text).macros, ["r"]);
        assert_eq!(scope(text).invoked, ["k"]);
    }

    #[test]
    fn modules_have_a_file_or_a_body() {
        let text =
            "mod a; pub(crate) mod b { use super::C; } cfg_if! { if #[cfg(unix)] { mod d; } }";
        assert_eq!(modules(text), ["a", "b", "d"]);
        let b = scope(text).modules.swap_remove(1).body.unwrap();
        assert_eq!(b.imports.len(), 1);
        assert!(imports(text).is_empty());
    }

    #[test]
    fn items_of_tests_are_left_out_and_nothing_else() {
        let text = "#[cfg(test)] use a::{B, C}; use d::E;\n\
                    #[cfg(test)] #[allow(x)] pub(crate) mod f { use g::H; } mod i;\n\
                    #[cfg(all(test, not(loom)))] fn j<K, L>(m: n::O) { p::q() } fn r() { s::t() }\n\
                    struct U { #[cfg(test)] v: w::X, y: z::A }\n\
                    #[cfg(not(test))] use b::C; #[cfg(any(test, loom))] use c::D; #[cfg(loom)] mod e;";
        assert_eq!(imports(text), ["d::E = E", "b::C = C", "c::D = D"]);
        assert_eq!(modules(text), ["i", "e"]);
        assert_eq!(paths(text), ["s::t", "z::A"]);
    }
}
