//! [`Tokens`]: the tokens that are left of a file or a group.

use std::slice;

use proc_macro2::TokenTree;

pub(super) type Tokens<'a> = slice::Iter<'a, TokenTree>;

pub(super) fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

pub(super) fn peek<'a>(tokens: &Tokens<'a>) -> Option<&'a TokenTree> {
    tokens.as_slice().first()
}

pub(super) fn next_is(tokens: &Tokens<'_>, mark: char) -> bool {
    peek(tokens).is_some_and(|token| is(token, mark))
}

/// An identifier without its `r#`.
pub(super) fn name(word: &proc_macro2::Ident) -> String {
    word.to_string().trim_start_matches("r#").to_owned()
}
