//! [`Done`]: how a step of CI ended, if it did not fail.

pub(super) enum Done {
    Passed,
    /// The reason is something that this machine does not have.
    Skipped(String),
}
