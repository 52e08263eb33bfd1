//! [`Table`]: the armed children, and what signals have brought of each.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_core::Pid;
use childwatch_core::source::clock::Ticks;
use childwatch_core::source::{Report, Token, TokenTable};
use rustc_hash::FxHashMap;

use crate::listen::hints::Hint;
use crate::listen::inbox::Inbox;

/// # Invariants
///
/// 1. `by_pid` leads to the newest entry of each pid, and `older` from an entry to the next
///    older one of the same pid. So each armed entry stands in exactly one chain.
/// 2. All unreported entries of one pid belong to the same process, or are doubtful: as
///    soon as a pid is proven to be reused, its old entries are reported.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: TokenTable<Entry>,
    by_pid: FxHashMap<Pid, u32>,
    /// Nearly always empty: it has entries only while a pid is armed more than once.
    older: FxHashMap<u32, u32>,
    /// How many entries have not been reported.
    unreported: usize,
    /// Entries that a hint has named, to be looked at next: each once.
    hinted: Vec<Token>,
    /// Reports that other threads than the watcher's have found.
    reports: Vec<Report>,
}

#[derive(Debug)]
struct Entry {
    pid: Pid,
    /// A moment at which the child had the pid. [`Ticks::NEVER`] until that is known.
    armed_at: Ticks,
    /// The generation of signals when it was armed.
    armed_in: u32,
    progress: Progress,
    /// It stands in `hinted`.
    is_hinted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Watched(Heard),
    Reported {
        status: Option<ExitStatus>,
        /// It had been reaped by then, so the pid may be another process's.
        was_gone: bool,
    },
}

/// What signals have brought of a child's status since it was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    /// A wait status.
    Status(i32),
    /// Two that differ, so one of them is another process's.
    Conflicting,
}

/// A child to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) token: Token,
    pub(crate) pid: Pid,
    pub(crate) armed_at: Ticks,
    pub(crate) heard: Heard,
    /// Its start is to be compared though nothing gives rise to doubt.
    pub(crate) checks_identity: bool,
}

/// What is known of an armed child.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    Unreported(Suspect),
    Reported {
        pid: Pid,
        armed_at: Ticks,
        status: Option<ExitStatus>,
        was_gone: bool,
    },
}

impl Heard {
    fn and(self, status: i32) -> Self {
        match self {
            Heard::Nothing => Heard::Status(status),
            Heard::Status(heard) if heard == status => self,
            Heard::Status(_) | Heard::Conflicting => Heard::Conflicting,
        }
    }

    /// Returns `true` if nothing heard speaks against this status.
    pub(crate) fn agrees_with(self, status: ExitStatus) -> bool {
        match self {
            Heard::Nothing => true,
            Heard::Status(heard) => heard == status.into_raw(),
            Heard::Conflicting => false,
        }
    }

    pub(crate) fn status(self) -> Option<ExitStatus> {
        match self {
            Heard::Status(status) => Some(ExitStatus::from_raw(status)),
            Heard::Nothing | Heard::Conflicting => None,
        }
    }
}

impl Suspect {
    /// Returns `true` if the pid may be another child's by now.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.checks_identity || self.heard != Heard::Nothing
    }
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns `true` if an exit is still to be reported.
    pub(crate) fn has_unreported(&self) -> bool {
        self.unreported > 0
    }

    pub(crate) fn insert(&mut self, pid: Pid, token: Token, generation: u32) {
        self.unreported += 1;
        self.entries.insert(
            token,
            Entry {
                pid,
                armed_at: Ticks::NEVER,
                armed_in: generation,
                progress: Progress::Watched(Heard::Nothing),
                is_hinted: false,
            },
        );
        if let Some(older) = self.by_pid.insert(pid, token.index()) {
            self.older.insert(token.index(), older);
        }
    }

    /// Records a moment at which the child was seen to have its pid.
    pub(crate) fn set_armed_at(&mut self, token: Token, armed_at: Ticks) {
        if let Some(entry) = self.entries.get_mut(token) {
            entry.armed_at = armed_at;
        }
    }

    pub(crate) fn remove(&mut self, token: Token) {
        let Some(&Entry { pid, .. }) = self.entries.get(token) else {
            return;
        };
        self.unlink(pid, token.index());
        if self.suspect(token).is_some() {
            self.unreported -= 1;
        }
        self.entries.remove(token);
    }

    fn unlink(&mut self, pid: Pid, index: u32) {
        let older = self.older.remove(&index);
        let mut newer = self.by_pid.get(&pid).copied();
        if newer == Some(index) {
            match older {
                Some(older) => self.by_pid.insert(pid, older),
                None => self.by_pid.remove(&pid),
            };
            return;
        }
        while let Some(at) = newer {
            newer = self.older.get(&at).copied();
            if newer == Some(index) {
                match older {
                    Some(older) => self.older.insert(at, older),
                    None => self.older.remove(&at),
                };
                return;
            }
        }
    }

    /// Takes in the hints that signals have left.
    pub(crate) fn take_hints(&mut self, inbox: &Inbox) {
        while let Some(hint) = inbox.pop_hint() {
            self.take_hint(hint);
        }
    }

    fn take_hint(&mut self, hint: Hint) {
        let Ok(pid) = Pid::try_from(hint.pid) else {
            return;
        };
        let mut next = self.by_pid.get(&pid).copied();
        while let Some(index) = next {
            next = self.older.get(&index).copied();
            let Some((token, entry)) = self.entries.at_mut(index) else {
                return;
            };
            // A signal of an earlier generation is a former process's.
            let is_since_arming = hint.generation.wrapping_sub(entry.armed_in) as i32 > 0;
            if let (Progress::Watched(heard), true) = (&mut entry.progress, is_since_arming) {
                *heard = heard.and(hint.status);
                if !std::mem::replace(&mut entry.is_hinted, true) {
                    self.hinted.push(token);
                }
            }
        }
    }

    /// Moves the hinted entries to `suspects`.
    pub(crate) fn take_hinted(&mut self, suspects: &mut Vec<Suspect>) {
        // Its room is kept.
        let mut hinted = std::mem::take(&mut self.hinted);
        for token in hinted.drain(..) {
            if let Some(entry) = self.entries.get_mut(token) {
                entry.is_hinted = false;
                suspects.extend(entry.suspect(token));
            }
        }
        self.hinted = hinted;
    }

    /// Adds up to `count` unreported entries from `cursor` on. Returns where to go on, or
    /// `None` at the end.
    pub(crate) fn unreported_from(
        &self,
        cursor: u32,
        count: usize,
        suspects: &mut Vec<Suspect>,
    ) -> Option<u32> {
        for (token, entry) in self.entries.iter_from(cursor) {
            suspects.extend(entry.suspect(token));
            if suspects.len() == count {
                return token.index().checked_add(1);
            }
        }
        None
    }

    /// The entry, unless it has been reported or disarmed.
    pub(crate) fn suspect(&self, token: Token) -> Option<Suspect> {
        self.entries.get(token)?.suspect(token)
    }

    /// What is known of an armed entry.
    pub(crate) fn known(&self, token: Token) -> Option<Known> {
        let entry = self.entries.get(token)?;
        Some(match (entry.progress, entry.suspect(token)) {
            (Progress::Reported { status, was_gone }, _) => Known::Reported {
                pid: entry.pid,
                armed_at: entry.armed_at,
                status,
                was_gone,
            },
            (Progress::Watched(_), suspect) => Known::Unreported(suspect?),
        })
    }

    /// Marks a zombie as reported, and returns the report. `None` if it has been reported
    /// or disarmed before.
    pub(crate) fn report_ended(
        &mut self,
        token: Token,
        status: Option<ExitStatus>,
    ) -> Option<Report> {
        self.report(token, false, |_| status)
    }

    /// The same for a child that has been reaped: its status is the one heard, if any.
    pub(crate) fn report_gone(&mut self, token: Token) -> Option<Report> {
        self.report(token, true, Heard::status)
    }

    fn report(
        &mut self,
        token: Token,
        was_gone: bool,
        status: impl FnOnce(Heard) -> Option<ExitStatus>,
    ) -> Option<Report> {
        let entry = self.entries.get_mut(token)?;
        let Progress::Watched(heard) = entry.progress else {
            return None;
        };
        let status = status(heard);
        entry.progress = Progress::Reported { status, was_gone };
        self.unreported -= 1;
        Some(Report::new(token, status))
    }

    /// Keeps a report for the watcher's thread.
    pub(crate) fn keep(&mut self, report: Option<Report>) {
        self.reports.extend(report);
    }

    pub(crate) fn take_reports(&mut self, reports: &mut Vec<Report>) {
        reports.append(&mut self.reports);
    }
}

impl Entry {
    fn suspect(&self, token: Token) -> Option<Suspect> {
        let Progress::Watched(heard) = self.progress else {
            return None;
        };
        Some(Suspect {
            token,
            pid: self.pid,
            armed_at: self.armed_at,
            heard,
            checks_identity: false,
        })
    }
}

#[cfg(test)]
mod tests;
