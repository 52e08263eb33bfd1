//! [`Report`]: what a source says of one exit.

use std::process::ExitStatus;

use crate::source::token::Token;

/// One exit, as a source saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The token that the process was armed under.
    pub token: Token,
    /// What is known of its status (S7).
    pub status: Option<ExitStatus>,
}
