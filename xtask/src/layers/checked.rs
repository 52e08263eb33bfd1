//! [`Checked`]: what a check has found.

/// What a check has found, a line each.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Checked {
    pub(super) lines: Vec<String>,
    pub(super) faults: Vec<String>,
}
