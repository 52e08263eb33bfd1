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
    /// The engine has been told, with what was known of the status.
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

    /// Marks an entry as reported; `false` when it has been, or has been disarmed.
    pub(crate) fn report(&mut self, token: Token, status: Option<ExitStatus>) -> bool {
        match self.entries.get_mut(token) {
            Some(entry) if !entry.progress.is_reported() => {
                entry.progress = Progress::Reported(status);
                true
            }
            _ => false,
        }
    }

    /// Marks an entry as seen alive after `generation` had begun. A hint that it
    /// had is spent.
    pub(crate) fn settle(&mut self, token: Token, generation: u32) {
        if let Some(entry) = self.entries.get_mut(token) {
            entry.settled = generation;
            if !entry.progress.is_reported() {
                entry.progress = Progress::Watched;
            }
        }
    }

    /// Keeps a report for the watcher's thread.
    pub(crate) fn keep_report(&mut self, report: Report) {
        if self.report(report.token, report.status) {
            self.reports.push(report);
        }
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
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::try_from(raw).unwrap()
    }

    fn token(index: u32) -> Token {
        Token::from_parts(index, 0)
    }

    fn hint(raw: i32, generation: u32) -> Hint {
        Hint {
            pid: raw,
            status: 0,
            generation,
        }
    }

    fn of_pid(table: &Table, raw: i32) -> Vec<u32> {
        let mut suspects = Vec::new();
        table.of_pid(pid(raw), &mut suspects);
        suspects
            .iter()
            .map(|suspect| suspect.token.index())
            .collect()
    }

    #[test]
    fn a_numbers_entries_are_found_whichever_is_removed() {
        for removed in 0..3 {
            let mut table = Table::default();
            for index in 0..3 {
                table.insert(pid(7), token(index), Ticks::ZERO, 0);
            }
            assert_eq!(of_pid(&table, 7), [2, 1, 0]);
            table.remove(token(removed));
            let left: Vec<_> = [2, 1, 0].into_iter().filter(|at| *at != removed).collect();
            assert_eq!(of_pid(&table, 7), left);
            left.into_iter().for_each(|at| table.remove(token(at)));
            assert!(table.is_empty());
            assert!(table.by_pid.is_empty());
        }
    }

    #[test]
    fn a_hint_from_before_the_arming_is_a_former_processs() {
        let mut table = Table::default();
        table.insert(pid(7), token(0), Ticks::ZERO, 5);
        let mut suspects = Vec::new();
        for generation in [4, 5] {
            table.take_hint(hint(7, generation));
            table.take_hinted(&mut suspects);
            assert!(suspects.is_empty());
        }
        table.take_hint(hint(7, 6));
        table.take_hint(hint(7, 7));
        table.take_hinted(&mut suspects);
        assert_eq!(suspects.len(), 1);
    }

    #[test]
    fn a_sweep_takes_what_is_neither_settled_nor_reported() {
        let mut table = Table::default();
        for index in 0..5 {
            table.insert(pid(10 + index as i32), token(index), Ticks::ZERO, 1);
        }
        table.settle(token(1), 2);
        assert!(table.report(token(3), None));
        assert!(!table.report(token(3), None));
        let mut suspects = Vec::new();
        let cursor = table.unsettled(2, 0, 2, &mut suspects);
        assert_eq!(cursor, Some(3));
        assert_eq!(table.unsettled(2, 3, 9, &mut suspects), None);
        let tokens: Vec<_> = suspects.iter().map(|suspect| suspect.token).collect();
        assert_eq!(tokens, [token(0), token(2), token(4)]);
    }

    #[test]
    fn the_armed_are_counted() {
        let mut table = Table::default();
        assert!(table.is_empty());
        for index in 0..3 {
            table.insert(pid(7), token(index), Ticks::ZERO, 0);
        }
        assert_eq!(table.armed(), 3);
        assert!(!table.is_empty());
        table.remove(token(1));
        // It is not armed any more.
        table.remove(token(1));
        assert_eq!(table.armed(), 2);
    }

    #[test]
    fn what_the_handler_has_heard_makes_a_suspect() {
        let (mut table, hints) = (Table::default(), Hints::new());
        table.insert(pid(7), token(0), Ticks::ZERO, 0);
        assert!(hints.push(hint(7, 1)));
        assert!(hints.push(hint(8, 2)));
        table.hear(&hints);
        let mut suspects = Vec::new();
        table.take_hinted(&mut suspects);
        let [suspect] = &suspects[..] else {
            panic!("{suspects:?}");
        };
        assert_eq!(suspect.pid, pid(7));
        assert_eq!(suspect.hint, Some(ExitStatus::default()));
    }

    #[test]
    fn an_entry_takes_no_more_than_five_words() {
        assert!(size_of::<Entry>() <= 5 * size_of::<u64>());
    }

    #[test]
    fn an_entry_is_known_by_its_token_until_it_is_disarmed() {
        let mut table = Table::default();
        let at = Ticks::ZERO.and(3);
        table.insert(pid(7), token(0), at, 0);
        let identity = |is_reported, told| Identity {
            pid: pid(7),
            armed_at: at,
            is_reported,
            told,
        };
        assert_eq!(table.identity(token(0)), Some(identity(false, None)));
        let status = Some(ExitStatus::default());
        table.take_hint(hint(7, 1));
        assert_eq!(table.identity(token(0)), Some(identity(false, status)));
        assert!(table.report(token(0), None));
        assert_eq!(table.identity(token(0)), Some(identity(true, None)));
        assert_eq!(table.identity(Token::from_parts(0, 1)), None);
        table.remove(token(0));
        assert_eq!(table.identity(token(0)), None);
    }

    #[test]
    fn a_child_seen_alive_has_spent_its_hint_and_a_reported_one_stays_so() {
        let mut table = Table::default();
        table.insert(pid(7), token(0), Ticks::ZERO, 0);
        table.take_hint(hint(7, 1));
        assert!(table.suspect(token(0)).unwrap().hint.is_some());
        table.settle(token(0), 1);
        assert!(table.suspect(token(0)).unwrap().hint.is_none());
        assert!(table.report(token(0), None));
        table.settle(token(0), 2);
        assert!(table.suspect(token(0)).is_none());
    }

    #[test]
    fn a_report_is_kept_once() {
        let mut table = Table::default();
        table.insert(pid(7), token(0), Ticks::ZERO, 0);
        let report = Report {
            token: token(0),
            status: None,
        };
        table.keep_report(report);
        table.keep_report(report);
        let mut reports = Vec::new();
        table.take_reports(&mut reports);
        table.take_reports(&mut reports);
        assert_eq!(reports, [report]);
    }
}
