//! [`Count`]: the unsafe code among a file's tokens.
//!
//! Tokens are counted and not syntax, so that the bodies and arguments of macros count as
//! well. Comments and strings have no keywords.

use std::fmt;
use std::ops::AddAssign;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The number of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    blocks: usize,
    functions: usize,
    implementations: usize,
    /// Traits, foreign blocks and attributes.
    others: usize,
}

impl Count {
    pub(super) fn of(tokens: TokenStream) -> Self {
        let mut count = Count::default();
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => count += Count::of(group.stream()),
                TokenTree::Ident(word) if word == "unsafe" => {
                    // The keyword that follows names the kind. `extern "C"` may stand before
                    // it.
                    let rest = tokens.clone();
                    count.note(rest);
                }
                _ => {}
            }
        }
        count
    }

    pub(super) fn is_none(self) -> bool {
        self == Count::default()
    }

    /// Counts one `unsafe` by the tokens after it.
    fn note(&mut self, mut rest: impl Iterator<Item = TokenTree>) {
        let is_braced = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        match rest.next() {
            Some(token) if is_braced(&token) => self.blocks += 1,
            Some(TokenTree::Ident(word)) if word == "impl" => self.implementations += 1,
            Some(TokenTree::Ident(word)) if word == "fn" => self.note_function(rest.next()),
            Some(TokenTree::Ident(word)) if word == "extern" => {
                let abi_or_block = rest.next();
                if abi_or_block.as_ref().is_some_and(is_braced) {
                    self.others += 1;
                    return;
                }
                match rest.next() {
                    Some(TokenTree::Ident(word)) if word == "fn" => self.note_function(rest.next()),
                    _ => self.others += 1,
                }
            }
            _ => self.others += 1,
        }
    }

    /// Counts a function, which has a name. A type of function pointers has none, and is no
    /// code.
    fn note_function(&mut self, name: Option<TokenTree>) {
        if matches!(name, Some(TokenTree::Ident(_))) {
            self.functions += 1;
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.functions += other.functions;
        self.implementations += other.implementations;
        self.others += other.others;
    }
}

/// Shows the counts, such as `3 blocks, 1 function`.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.blocks, "block"),
            (self.functions, "function"),
            (self.implementations, "implementation"),
            (self.others, "other"),
        ];
        let counted: Vec<_> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        f.write_str(&counted.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(code: &str) -> String {
        Count::of(code.parse().unwrap()).to_string()
    }

    #[test]
    fn each_kind_is_counted() {
        assert_eq!(count("fn f() { unsafe { g() } }"), "1 block");
        assert_eq!(
            count("pub(crate) unsafe fn f() { unsafe {} }"),
            "1 block, 1 function"
        );
        assert_eq!(count("unsafe extern \"C\" fn f() {}"), "1 function");
        assert_eq!(
            count("unsafe impl Send for S {} unsafe impl Sync for S {}"),
            "2 implementations"
        );
        assert_eq!(
            count(
                "unsafe trait T {} unsafe extern {} unsafe extern \"C\" {} #[unsafe(no_mangle)] fn f() {}"
            ),
            "4 others"
        );
    }

    #[test]
    fn what_is_in_a_macro_counts() {
        assert_eq!(
            count("macro_rules! m { () => { unsafe { f() } } }"),
            "1 block"
        );
        assert_eq!(count("assert!(unsafe { f() });"), "1 block");
    }

    #[test]
    fn comments_strings_and_types_do_not_count() {
        assert!(
            Count::of(
                "/// unsafe { }\n//! unsafe\nstatic S: &str = \"unsafe {}\";"
                    .parse()
                    .unwrap()
            )
            .is_none()
        );
        assert!(
            Count::of(
                "/* unsafe {} */ // unsafe {}\nconst C: char = 'u';"
                    .parse()
                    .unwrap()
            )
            .is_none()
        );
        assert!(
            Count::of(
                "type F = unsafe extern \"C\" fn(i32); type G = unsafe fn();"
                    .parse()
                    .unwrap()
            )
            .is_none()
        );
        assert!(Count::of("fn unsafe_code() {} let r#unsafe = 1;".parse().unwrap()).is_none());
    }
}
