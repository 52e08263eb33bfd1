//! [`Source`]: a file with unsafe code.

use std::fmt;

use anyhow::{Context, bail};
use proc_macro2::{TokenStream, TokenTree};

use super::tokens::Count;

pub(super) struct Source {
    /// Its path in the workspace.
    name: String,
    count: Count,
    /// The purpose of the code, as the file states it.
    reason: String,
}

impl Source {
    /// Returns the file, if it has unsafe code.
    pub(super) fn read(name: String, tokens: TokenStream) -> anyhow::Result<Option<Self>> {
        let count = Count::of(tokens.clone());
        if count.is_none() {
            return Ok(None);
        }
        let reason = reason(tokens).with_context(|| name.clone())?;
        Ok(Some(Source {
            name,
            count,
            reason,
        }))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| `{}` | {} | {} |", self.name, self.count, self.reason)
    }
}

/// Returns the reason of `#![expect(unsafe_code, reason = "…")]`.
fn reason(tokens: TokenStream) -> anyhow::Result<String> {
    for token in tokens {
        let TokenTree::Group(attribute) = token else {
            continue;
        };
        let text = attribute.stream().to_string();
        let Some(arguments) = text.strip_prefix("expect") else {
            continue;
        };
        if !arguments.contains("unsafe_code") {
            continue;
        }
        let quoted = arguments.split_once("reason").and_then(|(_, reason)| {
            let (_, reason) = reason.split_once('"')?;
            Some(reason.rsplit_once('"')?.0)
        });
        return match quoted {
            Some(reason) if !reason.contains(['\\', '|', '\n']) => Ok(reason.to_owned()),
            Some(_) => {
                bail!("the reason for unsafe code goes into a table: no \\, | or line break")
            }
            None => bail!("unsafe code is expected without a reason"),
        };
    }
    bail!("unsafe code, but no `#![expect(unsafe_code, reason = \"…\")]` at the head of the file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Option<String>> {
        let source = Source::read("src/a.rs".to_owned(), text.parse().unwrap())?;
        Ok(source.map(|source| source.to_string()))
    }

    #[test]
    fn a_line_has_the_count_and_the_reason() {
        let text = "//! Docs.\n\n#![expect(\n    unsafe_code,\n    reason = \"`fork`, and more\"\n)]\n\nfn f() { unsafe {} }";
        assert_eq!(
            read(text).unwrap().as_deref(),
            Some("| `src/a.rs` | 1 block | `fork`, and more |")
        );
    }

    #[test]
    fn a_file_without_unsafe_code_has_no_line() {
        assert_eq!(read("#![forbid(unsafe_code)]\nfn f() {}").unwrap(), None);
    }

    #[test]
    fn unsafe_code_without_a_reason_is_refused() {
        let refusal = |text: &str| format!("{:#}", read(text).unwrap_err());
        assert!(refusal("fn f() { unsafe {} }").starts_with("src/a.rs: unsafe code, but no"));
        assert!(
            refusal("#![expect(unsafe_code)] fn f() { unsafe {} }").contains("without a reason")
        );
        assert!(
            refusal("#![expect(unsafe_code, reason = \"a | b\")] fn f() { unsafe {} }")
                .contains("no \\, |")
        );
    }
}
