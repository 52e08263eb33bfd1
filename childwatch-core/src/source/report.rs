//! [`Report`]: one exit, as a source saw it.

use std::process::ExitStatus;

use crate::source::token::Token;

/// One exit, as a source saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The token under which the process was armed.
    pub token: Token,
    /// The status of the process, as far as it is known (S7).
    pub status: Option<ExitStatus>,
}

impl Report {
    /// Creates the report that the process armed under `token` has exited.
    #[must_use]
    pub const fn new(token: Token, status: Option<ExitStatus>) -> Self {
        Report { token, status }
    }
}
