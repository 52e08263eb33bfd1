//! [`Observed`]: what a watcher did about a fault, and the words for it.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io;

use childwatch_core::{Pid, WatchError};
use rustix::io::Errno;

/// What differed from a life without faults. Nothing in it is wrong: what is wrong is a
/// panic of the scenario's.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) not_made: Option<&'static str>,
    pub(super) not_registered: BTreeSet<&'static str>,
    /// Refused as it should be, but for another reason.
    pub(super) refused_otherwise: BTreeSet<&'static str>,
    pub(super) no_late_callback: BTreeSet<&'static str>,
    /// A late callback ran although the wake was refused: its thread was about to look.
    pub(super) needed_no_wake: bool,
    pub(super) no_pidfd: BTreeSet<&'static str>,
    pub(super) no_signal: BTreeSet<&'static str>,
    pub(super) has_no_status: bool,
    pub(super) is_told: Told,
    pub(super) leaves_thread: bool,
    pub(super) leaves_loop: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    AtOnce,
    /// When the fault was over.
    Afterwards { is_partly_hidden: bool },
    /// It was never over.
    Never { is_partly_hidden: bool },
}

impl Told {
    fn words(self) -> Option<&'static str> {
        Some(match self {
            Told::AtOnce => return None,
            Told::Afterwards {
                is_partly_hidden: false,
            } => "told when it is over",
            Told::Afterwards {
                is_partly_hidden: true,
            } => "told by signals, or when it is over",
            Told::Never {
                is_partly_hidden: false,
            } => "not told while it lasts",
            Told::Never {
                is_partly_hidden: true,
            } => "told by signals, or not while it lasts",
        })
    }
}

impl Observed {
    /// Whether the watcher never needed what was refused, by chance.
    pub(super) fn is_overtaken(&self) -> bool {
        self.needed_no_wake && self.no_late_callback.is_empty()
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |kinds: &BTreeSet<&str>| kinds.iter().copied().collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if let Some(kind) = self.not_made {
            parts.push(format!("no watcher: {kind}"));
        }
        if !self.not_registered.is_empty() {
            parts.push(format!("not registered: {}", list(&self.not_registered)));
        }
        if !self.refused_otherwise.is_empty() {
            parts.push(format!("refused as {}", list(&self.refused_otherwise)));
        }
        if !self.no_late_callback.is_empty() {
            let kinds = list(&self.no_late_callback);
            parts.push(format!("late callback refused: {kinds}"));
        }
        for (what, kinds) in [("pidfd", &self.no_pidfd), ("signal", &self.no_signal)] {
            if !kinds.is_empty() {
                parts.push(format!("{what} refused: {}", list(kinds)));
            }
        }
        if self.has_no_status {
            parts.push("told without status".to_owned());
        }
        if let Some(when) = self.is_told.words() {
            parts.push(when.to_owned());
        }
        if self.leaves_thread {
            parts.push("a waiting thread is left".to_owned());
        }
        if self.leaves_loop {
            parts.push("its loop is not woken".to_owned());
        }
        if parts.is_empty() {
            parts.push("no effect".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}

/// The error's kind.
///
/// # Panics
///
/// When no fault of the kernel's causes this error.
#[track_caller]
pub(super) fn kind_of(error: &WatchError) -> &'static str {
    match error {
        WatchError::NoSuchProcess { .. } => "NoSuchProcess",
        WatchError::NotAChild { .. } => "NotAChild",
        WatchError::ResourceLimit { .. } => "ResourceLimit",
        WatchError::Unsupported { .. } => "Unsupported",
        WatchError::Os { .. } => "Os",
        WatchError::UnusablePidfd { .. } => "UnusablePidfd",
        other => panic!("an error that has nothing to do with the fault: {other:?}"),
    }
}

/// The same.
///
/// # Panics
///
/// When the error is not clear: it must name the process, the operation, and the kernel's
/// own error.
#[track_caller]
pub(super) fn clear_kind(error: &WatchError, pid: Option<Pid>, errno: Errno) -> &'static str {
    let (named, operation) = match error {
        WatchError::NoSuchProcess { pid, .. } | WatchError::NotAChild { pid, .. } => {
            (Some(*pid), "it is none to be watched")
        }
        WatchError::ResourceLimit { pid, operation, .. }
        | WatchError::Unsupported { pid, operation, .. }
        | WatchError::Os { pid, operation, .. } => (*pid, *operation),
        _ => (None, ""),
    };
    assert_eq!(named, pid, "the process is not named: {error:?}");
    assert!(
        !operation.is_empty(),
        "the operation is not named: {error:?}"
    );
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(Errno::from_io_error);
    // glibc calls any want of memory for a thread EAGAIN.
    let is_glibcs = operation.contains("thread") && source == Some(Errno::AGAIN);
    assert!(
        source == Some(errno) || is_glibcs,
        "not the kernel's own error, {errno}: {error:?}"
    );
    kind_of(error)
}
