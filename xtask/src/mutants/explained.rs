//! [`Explained`]: the mutants that no test can kill, each with the reason.

use std::fs;

use anyhow::Context;
use serde::Deserialize;

use super::outcomes::Mutant;
use crate::workspace;

/// The list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explained {
    #[serde(default)]
    pub(crate) mutant: Vec<Explanation>,
}

/// An entry of the list. It names a mutant by the text of its line. The number of the line
/// changes with every edit above.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explanation {
    file: String,
    /// The mutation in cargo-mutants' words.
    mutation: String,
    /// The first line of the mutation, without the indentation.
    line: String,
    /// Why no test can tell the mutant from the original.
    #[expect(
        dead_code,
        reason = "for people; that there is one is checked by reading it"
    )]
    reason: String,
}

const FILE: &str = "xtask/equivalent-mutants.toml";

impl Explained {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let text = fs::read_to_string(workspace::root().join(FILE)).context(FILE)?;
        toml::from_str(&text).context(FILE)
    }

    /// Returns `true` if the list has this mutant in a line with this text.
    pub(crate) fn has(&self, mutant: &Mutant, line: &str) -> bool {
        self.mutant.iter().any(|entry| entry.is_of(mutant, line))
    }
}

impl Explanation {
    pub(crate) fn is_of(&self, mutant: &Mutant, line: &str) -> bool {
        self.file == mutant.file && self.mutation == mutant.mutation() && self.line == line.trim()
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} in `{}`", self.file, self.mutation, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_well_formed_and_names_lines_that_are_there() {
        for entry in Explained::read().unwrap().mutant {
            let text = fs::read_to_string(workspace::root().join(&entry.file)).unwrap();
            assert!(
                text.lines().any(|line| line.trim() == entry.line),
                "there is no such line: {entry}"
            );
        }
    }
}
