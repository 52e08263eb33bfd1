//! [`Table`]: the armed children, and what has been heard of them.

use std::process::ExitStatus;

use childwatch_core::{Pid, PidIndex, Report, Token, TokenTable};

use crate::child::Ticks;
use crate::hints::{Hint, Hints, Reader};

/// # Invariants
///
/// 1. `by_pid` leads to the chain of a number's entries, newest first, through
///    `older`; each armed entry stands in exactly one chain.
/// 2. Of one number at most one process's entries are unreported: an entry whose
///    number is found to be another process's is reported then.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: TokenTable<Entry>,
    by_pid: PidIndex,
    /// Hinted entries that have not been looked at.
    hinted: Vec<Token>,
    /// Reports that came up on other threads than the watcher's.
    reports: Vec<Report>,
    reader: Reader,
    /// The watcher's thread waits without end, for there was nothing armed.
    pub(crate) is_asleep: bool,
}

#[derive(Debug)]
struct Entry {
    pid: Pid,
    older: Option<u32>,
    /// The child had its number then.
    armed_at: Ticks,
    /// The generation of signals when it was armed.
    armed_in: u32,
    /// The generation for which it has been seen alive.
    settled: u32,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Watched,
    /// A signal has said that it exited, with this status.
    Hinted(ExitStatus),
    /// The engine has been told, with what was known of the status: something, unless the
    /// process had been reaped by then.
    Reported(Option<ExitStatus>),
}

/// What is known of an armed child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: Pid,
    pub(crate) armed_at: Ticks,
    pub(crate) is_reported: bool,
    /// The status that a signal has told of, or a look that was reported.
    pub(crate) told: Option<ExitStatus>,
}

/// A child to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) token: Token,
    pub(crate) pid: Pid,
    pub(crate) armed_at: Ticks,
    /// What a signal has said.
    pub(crate) hint: Option<ExitStatus>,
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn armed(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry; whether the watcher's thread has to be woken for it.
    pub(crate) fn insert(&mut self, pid: Pid, token: Token, at: Ticks, generation: u32) -> bool {
        self.entries.insert(
            token,
            Entry {
                pid,
                older: None,
                armed_at: at,
                armed_in: generation,
                settled: generation,
                progress: Progress::Watched,
            },
        );
        let older = self.lead(pid, token.index());
        if let Some(entry) = self.entries.get_mut(token) {
            entry.older = older;
        }
        std::mem::take(&mut self.is_asleep)
    }

    pub(crate) fn remove(&mut self, token: Token) {
        let Some(&Entry { pid, older, .. }) = self.entries.get(token) else {
            return;
        };
        self.unlink(pid, token.index(), older);
        self.entries.remove(token);
    }

    fn unlink(&mut self, pid: Pid, index: u32, older: Option<u32>) {
        if older.is_none() && self.by_pid.remove(pid, index) {
            return;
        }
        let mut newer = self.newest(pid);
        if let (true, Some(older)) = (newer == Some(index), older) {
            self.lead(pid, older);
            return;
        }
        while let Some((_, entry)) = newer.and_then(|at| self.entries.at_mut(at)) {
            if entry.older == Some(index) {
                entry.older = older;
                return;
            }
            newer = entry.older;
        }
    }

    /// The head of the number's chain.
    fn newest(&self, pid: Pid) -> Option<u32> {
        self.by_pid.get(pid, pid_of(&self.entries))
    }

    /// Makes an entry the head of its number's chain; gives the head so far.
    fn lead(&mut self, pid: Pid, index: u32) -> Option<u32> {
        self.by_pid.insert(pid, index, pid_of(&self.entries))
    }

    /// Takes in what the handler has heard.
    pub(crate) fn hear(&mut self, hints: &Hints) {
        while let Some(hint) = hints.pop(&mut self.reader) {
            self.take_hint(hint);
        }
    }

    fn take_hint(&mut self, hint: Hint) {
        use std::os::unix::process::ExitStatusExt;
        let Ok(pid) = Pid::try_from(hint.pid) else {
            return;
        };
        let mut at = self.newest(pid);
        while let Some((token, entry)) = at.and_then(|index| self.entries.at_mut(index)) {
            // A signal of an earlier generation is a former process's.
            let is_since_arming = hint.generation.wrapping_sub(entry.armed_in) as i32 > 0;
            if entry.progress == Progress::Watched && is_since_arming {
                entry.progress = Progress::Hinted(ExitStatus::from_raw(hint.status));
                self.hinted.push(token);
            }
            at = entry.older;
        }
    }

    /// Hinted entries, each once.
    pub(crate) fn take_hinted(&mut self, suspects: &mut Vec<Suspect>) {
        let hinted = std::mem::take(&mut self.hinted);
        suspects.extend(hinted.into_iter().filter_map(|token| self.suspect(token)));
    }

    /// Up to `count` entries from `cursor` on that are not settled for `generation`;
    /// `None` for the cursor when the end is reached.
    pub(crate) fn unsettled(
        &self,
        generation: u32,
        cursor: u32,
        count: usize,
        suspects: &mut Vec<Suspect>,
    ) -> Option<u32> {
        for (token, entry) in self.entries.iter_from(cursor) {
            let is_settled = entry.settled.wrapping_sub(generation) as i32 >= 0;
            if entry.progress.is_reported() || is_settled {
                continue;
            }
            suspects.push(entry.suspect(token));
            if suspects.len() == count {
                return Some(token.index() + 1);
            }
        }
        None
    }

    /// Every entry of the number that has not been reported.
    pub(crate) fn of_pid(&self, pid: Pid, suspects: &mut Vec<Suspect>) {
        let mut at = self.newest(pid);
        while let Some((token, entry)) = at.and_then(|index| self.entries.at(index)) {
            if !entry.progress.is_reported() {
                suspects.push(entry.suspect(token));
            }
            at = entry.older;
        }
    }

    /// The entry, unless it has been reported or disarmed.
    pub(crate) fn suspect(&self, token: Token) -> Option<Suspect> {
        let entry = self.entries.get(token)?;
        (!entry.progress.is_reported()).then(|| entry.suspect(token))
    }

    /// Who an armed entry is.
    pub(crate) fn identity(&self, token: Token) -> Option<Identity> {
        let entry = self.entries.get(token)?;
        Some(Identity {
            pid: entry.pid,
            armed_at: entry.armed_at,
            is_reported: entry.progress.is_reported(),
            told: match entry.progress {
                Progress::Watched => None,
                Progress::Hinted(status) => Some(status),
                Progress::Reported(status) => status,
            },
        })
    }

    /// Marks an entry as reported, and gives the report; `None` when it has been, or has
    /// been disarmed. Without a status it is told what a signal has said.
    pub(crate) fn report(&mut self, token: Token, status: Option<ExitStatus>) -> Option<Report> {
        let entry = self.entries.get_mut(token)?;
        let hint = match entry.progress {
            Progress::Watched => None,
            Progress::Hinted(status) => Some(status),
            Progress::Reported(_) => return None,
        };
        let status = status.or(hint);
        entry.progress = Progress::Reported(status);
        Some(Report { token, status })
    }

    /// Marks an entry as seen alive after `generation` had begun. The hint that it was
    /// looked at for is spent; one that has come since is not.
    pub(crate) fn settle(&mut self, suspect: &Suspect, generation: u32) {
        if let Some(entry) = self.entries.get_mut(suspect.token) {
            entry.settled = generation;
            if suspect.hint.is_some() && !entry.progress.is_reported() {
                entry.progress = Progress::Watched;
            }
        }
    }

    /// Keeps a report for the watcher's thread.
    pub(crate) fn keep_report(&mut self, token: Token, status: Option<ExitStatus>) {
        let report = self.report(token, status);
        self.reports.extend(report);
    }

    pub(crate) fn take_reports(&mut self, reports: &mut Vec<Report>) {
        reports.append(&mut self.reports);
    }
}

/// The process of each entry, for [`PidIndex`].
fn pid_of(entries: &TokenTable<Entry>) -> impl Fn(u32) -> Pid {
    |index| {
        let (_, entry) = entries.at(index).expect("only entries are led to");
        entry.pid
    }
}

impl Progress {
    fn is_reported(self) -> bool {
        matches!(self, Progress::Reported(_))
    }
}

impl Entry {
    fn suspect(&self, token: Token) -> Suspect {
        Suspect {
            token,
            pid: self.pid,
            armed_at: self.armed_at,
            hint: match self.progress {
                Progress::Hinted(status) => Some(status),
                Progress::Watched | Progress::Reported(_) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
