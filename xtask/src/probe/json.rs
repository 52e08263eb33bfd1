//! What the kernel offers, as one JSON object. Its keys:
//!
//! | key | value |
//! |---|---|
//! | `kernel` | name and release, such as `"Linux 6.18.44"` |
//! | `backends` | an object for each backend crate, the preferred one first |
//! | `backends[].package` | the crate |
//! | `backends[].fits` | `true` if a watcher can be made here |
//! | `backends[].reason` | the error of the constructor, or `null` if it fits |
//! | `backends[].answers` | an object with a key for each field of the crate's `Probe` |
//! | `open_files.soft`, `open_files.hard` | `RLIMIT_NOFILE`, or `null` if it is unlimited |
//! | `pick` | the package to choose, or `null` if none fits |
//!
//! An answer is `true` or `false`, or the name of a state (`disposition`, `proc`), or an object
//! with the key `error` if the kernel refuses.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Probed<'a> {
    pub(super) kernel: String,
    pub(super) backends: Vec<Backend<'a>>,
    pub(super) open_files: Limits,
    pub(super) pick: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Backend<'a> {
    pub(super) package: &'static str,
    pub(super) fits: bool,
    pub(super) reason: Option<String>,
    pub(super) answers: BTreeMap<&'static str, &'a Says>,
}

#[derive(Serialize)]
pub(super) struct Limits {
    pub(super) soft: Option<u64>,
    pub(super) hard: Option<u64>,
}

/// What the kernel says to one question.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Says {
    /// The kernel offers it, or does not.
    Offers(bool),
    /// One of several states.
    Is(&'static str),
    /// The kernel refused to answer.
    Refuses { error: String },
}

pub(super) fn write(out: &mut impl Write, probed: &Probed<'_>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, probed)?;
    writeln!(out)
}
