//! [`Report`]: one exit, as a source saw it.

use std::process::ExitStatus;

use crate::contract::resource_usage::ResourceUsage;
use crate::source::token::Token;

/// One exit, as a source saw it.
///
/// As with [`Exit`](crate::Exit), the resource usage is not compared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The token under which the process was armed.
    pub token: Token,
    /// The status of the process, as far as it is known (S7).
    pub status: Option<ExitStatus>,
    /// What the process has used, as far as it is known (S7). It is boxed, so that a report without
    /// it is small.
    pub usage: Option<Box<ResourceUsage>>,
}

impl Report {
    /// Creates the report that the process armed under `token` has exited.
    #[must_use]
    pub const fn new(token: Token, status: Option<ExitStatus>) -> Self {
        let usage = None;
        Report {
            token,
            status,
            usage,
        }
    }

    /// Returns the same report with this resource usage.
    #[must_use]
    pub fn with_resource_usage(self, usage: Option<Box<ResourceUsage>>) -> Self {
        Report { usage, ..self }
    }
}

impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        (self.token, self.status) == (other.token, other.status)
    }
}

impl Eq for Report {}
