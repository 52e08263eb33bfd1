//! [`Page`]: the document with the table, which stands between two marks.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The marks before and after the table.
const BEGIN: &str = "<!-- unsafe code: written by `cargo xtask unsafe --write` -->\n";
const END: &str = "<!-- end of unsafe code -->\n";

pub(super) struct Page {
    path: PathBuf,
    text: String,
    /// The place of the table in the text.
    table: Range<usize>,
}

impl Page {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let table = between_marks(&text).with_context(|| {
            format!(
                "{} has no table between {BEGIN:?} and {END:?}",
                path.display()
            )
        })?;
        Ok(Page {
            path: path.to_owned(),
            text,
            table,
        })
    }

    pub(super) fn table(&self) -> &str {
        &self.text[self.table.clone()]
    }

    pub(super) fn replace_table(&mut self, table: &str) -> anyhow::Result<()> {
        self.text.replace_range(self.table.clone(), table);
        self.table.end = self.table.start + table.len();
        fs::write(&self.path, &self.text).with_context(|| format!("{}", self.path.display()))
    }
}

fn between_marks(text: &str) -> Option<Range<usize>> {
    let begin = text.find(BEGIN)? + BEGIN.len();
    let length = text[begin..].find(END)?;
    Some(begin..begin + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_replaced_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("page.md");
        fs::write(&path, format!("before\n{BEGIN}old\n{END}after\n")).unwrap();
        let mut page = Page::read(&path).unwrap();
        assert_eq!(page.table(), "old\n");

        page.replace_table("new and longer\n").unwrap();
        assert_eq!(page.table(), "new and longer\n");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("before\n{BEGIN}new and longer\n{END}after\n")
        );
    }

    #[test]
    fn a_page_without_the_marks_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("page.md");
        fs::write(&path, format!("{END}{BEGIN}")).unwrap();
        assert!(Page::read(&path).is_err());
    }
}
