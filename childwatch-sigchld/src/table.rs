//! [`Table`]: the armed children, and the statuses that signals have brought for them.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_core::source::clock::Ticks;
use childwatch_core::source::{Ended, Report, Token, TokenTable};
use childwatch_core::{Pid, ResourceUsage};
use rustc_hash::FxHashMap;

use crate::listen::hints::Hint;
use crate::listen::inbox::Inbox;

/// # Invariants
///
/// 1. `by_pid` leads to the newest entry of a pid, and `older` from each entry to the next
///    older one. Each armed entry is in exactly one such chain.
/// 2. As soon as a pid is proven to be reused, its old entries are reported. So all unreported
///    entries of a pid belong to the same process, as far as is proven.
/// 3. `usages` has an entry only for an index whose armed entry is reported with a usage.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: TokenTable<Entry>,
    by_pid: FxHashMap<Pid, u32>,
    /// Nearly always empty: it has entries only while a pid is armed more than once.
    older: FxHashMap<u32, u32>,
    /// By the index. Empty unless the watcher was created to ask for usages.
    usages: FxHashMap<u32, Box<ResourceUsage>>,
    /// How many entries have not been reported.
    unreported: usize,
    /// Entries that a hint has named, to be looked at next. Each is listed once.
    hinted: Vec<Token>,
    /// Reports that callers' threads have found.
    reports: Vec<Report>,
    pub(crate) signals: Signals,
}

/// How many signals there have been. An epoch has 32 bits, and comes round.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    total: u64,
    epoch: u32,
}

impl Signals {
    /// Counts the signals up to this epoch. Each sweep calls this, so the difference is small.
    pub(crate) fn count_to(&mut self, epoch: u32) {
        // Another thread may have counted to a later epoch.
        if let Ok(more @ 1..) = u32::try_from(epoch.wrapping_sub(self.epoch) as i32) {
            self.total += u64::from(more);
            self.epoch = epoch;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

#[derive(Debug)]
struct Entry {
    pid: Pid,
    /// A moment at which the child had the pid. [`Ticks::NEVER`] until such a moment is known.
    armed_at: Ticks,
    /// The epoch when the child was armed.
    armed_epoch: u32,
    progress: Progress,
    /// `true` if the entry is in `hinted`.
    is_hinted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Watched(HintedStatus),
    Reported {
        status: Option<ExitStatus>,
        /// The child had been reaped by then, so the pid may belong to another process.
        was_gone: bool,
    },
}

/// The status that signals have brought for a child since it was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HintedStatus {
    Nothing,
    /// A wait status.
    Status(i32),
    /// The same, but a later look has found a live process with this pid. So the zombie that comes
    /// may be that of another process, even if it has the same status.
    SeenAliveSince(i32),
    /// Two statuses that differ, so one of them belongs to another process.
    Conflicting,
}

/// A child to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) token: Token,
    pub(crate) pid: Pid,
    pub(crate) armed_at: Ticks,
    pub(crate) hinted_status: HintedStatus,
    /// The child's start is to be compared, even if no hinted status gives rise to doubt.
    pub(crate) checks_identity: bool,
}

/// What is known of an armed child.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Unreported(Candidate),
    Reported {
        pid: Pid,
        armed_at: Ticks,
        ended: Option<Ended>,
        was_gone: bool,
    },
}

impl HintedStatus {
    fn and(self, status: i32) -> Self {
        match self {
            HintedStatus::Nothing => HintedStatus::Status(status),
            HintedStatus::Status(hinted_status) | HintedStatus::SeenAliveSince(hinted_status)
                if hinted_status == status =>
            {
                self
            }
            HintedStatus::Status(_)
            | HintedStatus::SeenAliveSince(_)
            | HintedStatus::Conflicting => HintedStatus::Conflicting,
        }
    }

    /// Returns `true` if no hinted status differs from this one.
    pub(crate) fn agrees_with(self, status: ExitStatus) -> bool {
        match self {
            HintedStatus::Nothing => true,
            HintedStatus::Status(hinted_status) | HintedStatus::SeenAliveSince(hinted_status) => {
                hinted_status == status.into_raw()
            }
            HintedStatus::Conflicting => false,
        }
    }

    /// Returns the end of a zombie with a status that agrees. If the zombie may be another
    /// process's, the status is right, and the usage is not known.
    pub(crate) fn trust(self, zombie: Ended) -> Ended {
        match self {
            HintedStatus::SeenAliveSince(_) => Ended::new(zombie.status, None),
            HintedStatus::Nothing | HintedStatus::Status(_) | HintedStatus::Conflicting => zombie,
        }
    }

    pub(crate) fn status(self) -> Option<ExitStatus> {
        match self {
            HintedStatus::Status(status) | HintedStatus::SeenAliveSince(status) => {
                Some(ExitStatus::from_raw(status))
            }
            HintedStatus::Nothing | HintedStatus::Conflicting => None,
        }
    }

    /// The end that the status reports. A signal carries no usage.
    pub(crate) fn ended(self) -> Option<Ended> {
        self.status().map(|status| Ended::new(status, None))
    }
}

impl Candidate {
    /// Returns `true` if the pid may belong to another child by now.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.checks_identity || self.hinted_status != HintedStatus::Nothing
    }
}

impl Table {
    /// An empty table. Signals are counted from this epoch on.
    pub(crate) fn new(epoch: u32) -> Self {
        let mut table = Table::default();
        table.signals.epoch = epoch;
        table
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns `true` if an exit is still to be reported.
    pub(crate) fn has_unreported(&self) -> bool {
        self.unreported > 0
    }

    pub(crate) fn insert(&mut self, pid: Pid, token: Token, epoch: u32) {
        self.unreported += 1;
        self.entries.insert(
            token,
            Entry {
                pid,
                armed_at: Ticks::NEVER,
                armed_epoch: epoch,
                progress: Progress::Watched(HintedStatus::Nothing),
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
        if self.candidate(token).is_some() {
            self.unreported -= 1;
        }
        if !self.usages.is_empty() {
            self.usages.remove(&token.index());
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
            // A signal of an earlier epoch belongs to a former process.
            let is_since_arming = hint.epoch.wrapping_sub(entry.armed_epoch) as i32 > 0;
            if let (Progress::Watched(hinted_status), true) = (&mut entry.progress, is_since_arming)
            {
                *hinted_status = hinted_status.and(hint.status);
                if !std::mem::replace(&mut entry.is_hinted, true) {
                    self.hinted.push(token);
                }
            }
        }
    }

    /// Records that a look has found the process alive after its hint had been taken in.
    pub(crate) fn note_alive(&mut self, token: Token) {
        if let Some(Entry { progress, .. }) = self.entries.get_mut(token) {
            if let Progress::Watched(HintedStatus::Status(status)) = *progress {
                *progress = Progress::Watched(HintedStatus::SeenAliveSince(status));
            }
        }
    }

    /// Moves the hinted entries to `candidates`.
    pub(crate) fn take_hinted(&mut self, candidates: &mut Vec<Candidate>) {
        // The capacity of the list is kept.
        let mut hinted = std::mem::take(&mut self.hinted);
        for token in hinted.drain(..) {
            if let Some(entry) = self.entries.get_mut(token) {
                entry.is_hinted = false;
                candidates.extend(entry.candidate(token));
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
        candidates: &mut Vec<Candidate>,
    ) -> Option<u32> {
        for (token, entry) in self.entries.iter_from(cursor) {
            candidates.extend(entry.candidate(token));
            if candidates.len() == count {
                return token.index().checked_add(1);
            }
        }
        None
    }

    /// The entry, unless it has been reported or disarmed.
    pub(crate) fn candidate(&self, token: Token) -> Option<Candidate> {
        self.entries.get(token)?.candidate(token)
    }

    /// What is known of an armed entry.
    pub(crate) fn known(&self, token: Token) -> Option<Known> {
        let entry = self.entries.get(token)?;
        Some(match (entry.progress, entry.candidate(token)) {
            (Progress::Reported { status, was_gone }, _) => Known::Reported {
                pid: entry.pid,
                armed_at: entry.armed_at,
                ended: status.map(|status| {
                    let usage = self.usages.get(&token.index());
                    Ended::new(status, usage.cloned())
                }),
                was_gone,
            },
            (Progress::Watched(_), candidate) => Known::Unreported(candidate?),
        })
    }

    /// Marks a zombie as reported, and returns the report. `None` if it has been reported
    /// or disarmed before.
    pub(crate) fn report_ended(&mut self, token: Token, ended: Option<Ended>) -> Option<Report> {
        self.report(token, false, |_| ended)
    }

    /// The same for a child that has been reaped. The report has the hinted status, if any.
    pub(crate) fn report_gone(&mut self, token: Token) -> Option<Report> {
        self.report(token, true, HintedStatus::ended)
    }

    fn report(
        &mut self,
        token: Token,
        was_gone: bool,
        ended: impl FnOnce(HintedStatus) -> Option<Ended>,
    ) -> Option<Report> {
        let entry = self.entries.get_mut(token)?;
        let Progress::Watched(hinted_status) = entry.progress else {
            return None;
        };
        let ended = ended(hinted_status);
        let status = ended.as_ref().map(|ended| ended.status);
        entry.progress = Progress::Reported { status, was_gone };
        self.unreported -= 1;
        if let Some(usage) = ended.as_ref().and_then(|ended| ended.usage.clone()) {
            self.usages.insert(token.index(), usage);
        }
        Some(report_of(token, ended))
    }

    /// Keeps a report for the watcher's thread.
    pub(crate) fn push_report(&mut self, report: Option<Report>) {
        self.reports.extend(report);
    }

    pub(crate) fn take_reports(&mut self, reports: &mut Vec<Report>) {
        reports.append(&mut self.reports);
    }
}

/// The report of a child that ended so.
pub(crate) fn report_of(token: Token, ended: Option<Ended>) -> Report {
    match ended {
        Some(Ended { status, usage, .. }) => {
            Report::new(token, Some(status)).with_resource_usage(usage)
        }
        None => Report::new(token, None),
    }
}

impl Entry {
    fn candidate(&self, token: Token) -> Option<Candidate> {
        let Progress::Watched(hinted_status) = self.progress else {
            return None;
        };
        Some(Candidate {
            token,
            pid: self.pid,
            armed_at: self.armed_at,
            hinted_status,
            checks_identity: false,
        })
    }
}

#[cfg(test)]
mod tests;
