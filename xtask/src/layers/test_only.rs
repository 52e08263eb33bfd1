//! `#[cfg(test)]`, and the items that it leaves out.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::tokens::{Tokens, is, name, peek};

/// Passes over an item, or over a field, an arm or an argument.
pub(super) fn pass_over_item(tokens: &mut Tokens<'_>) {
    let mut is_first = true;
    let (mut is_item, mut is_use) = (false, false);
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                tokens.next();
                continue;
            }
            TokenTree::Ident(word) if *word == "pub" => {
                if let Some(TokenTree::Group(_)) = peek(tokens) {
                    tokens.next();
                }
                continue;
            }
            TokenTree::Ident(word) if is_first => {
                let word = name(word);
                is_item = ITEMS.contains(&word.as_str());
                is_use = word == "use";
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => return,
            TokenTree::Punct(mark) if mark.as_char() == ',' && !is_item => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_use => return,
            _ => {}
        }
        is_first = false;
    }
}

/// What an item begins with. Between its first word and its body there may be commas.
const ITEMS: [&str; 15] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

/// Returns `true` for `cfg(test)` and `cfg(all(test, …))`.
pub(super) fn is_test_only(attribute: TokenStream) -> bool {
    let mut tokens = attribute.into_iter();
    let is_cfg = matches!(tokens.next(), Some(TokenTree::Ident(word)) if word == "cfg");
    match tokens.next() {
        Some(TokenTree::Group(condition)) if is_cfg => implies_test(condition.stream()),
        _ => false,
    }
}

fn implies_test(condition: TokenStream) -> bool {
    let tokens: Vec<_> = condition.into_iter().collect();
    let mut conditions = tokens.split(|token| is(token, ','));
    conditions.any(|condition| match condition {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(group)] => {
            word == "all" && implies_test(group.stream())
        }
        _ => false,
    })
}
