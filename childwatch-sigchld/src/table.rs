//! [`Table`]: the armed children, and what has been heard of them.

use std::collections::HashMap;
use std::process::ExitStatus;
use std::time::Duration;

use childwatch_core::{Pid, Report, Token};

use crate::hints::{Hint, Hints, Reader};

/// # Invariants
///
/// 1. `by_pid` leads to the chain of a number's entries, newest first, through
///    `older`; each armed entry stands in exactly one chain.
/// 2. Of one number at most one process's entries are unreported: an entry whose
///    number is found to be another process's is reported then.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Option<Entry>>,
    by_pid: HashMap<Pid, u32>,
    armed: usize,
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
    generation: u32,
    pid: Pid,
    older: Option<u32>,
    /// Since boot: the child had its number then.
    armed_at: Duration,
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
    Reported,
}

/// A child to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) token: Token,
    pub(crate) pid: Pid,
    pub(crate) armed_at: Duration,
    /// What a signal has said.
    pub(crate) hint: Option<ExitStatus>,
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.armed == 0
    }

    pub(crate) fn armed(&self) -> usize {
        self.armed
    }

    /// Adds an entry; whether the watcher's thread has to be woken for it.
    pub(crate) fn insert(&mut self, pid: Pid, token: Token, at: Duration, generation: u32) -> bool {
        let index = token.index() as usize;
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some(Entry {
            generation: token.generation(),
            pid,
            older: self.by_pid.insert(pid, token.index()),
            armed_at: at,
            armed_in: generation,
            settled: generation,
            progress: Progress::Watched,
        });
        self.armed += 1;
        std::mem::take(&mut self.is_asleep)
    }

    pub(crate) fn remove(&mut self, token: Token) {
        let Some(Entry { pid, older, .. }) = self.take(token) else {
            return;
        };
        self.armed -= 1;
        self.unlink(pid, token.index(), older);
    }

    fn take(&mut self, token: Token) -> Option<Entry> {
        let place = self.entries.get_mut(token.index() as usize)?;
        place.take_if(|entry| entry.generation == token.generation())
    }

    fn unlink(&mut self, pid: Pid, index: u32, older: Option<u32>) {
        if self.by_pid.get(&pid) == Some(&index) {
            match older {
                Some(older) => self.by_pid.insert(pid, older),
                None => self.by_pid.remove(&pid),
            };
            return;
        }
        let mut newer = self.by_pid.get(&pid).copied();
        while let Some(entry) = newer.and_then(|at| self.entries[at as usize].as_mut()) {
            if entry.older == Some(index) {
                entry.older = older;
                return;
            }
            newer = entry.older;
        }
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
        let mut at = self.by_pid.get(&pid).copied();
        while let Some(index) = at {
            let Some(entry) = self.entries[index as usize].as_mut() else {
                return;
            };
            // A signal of an earlier generation is a former process's.
            let is_since_arming = hint.generation.wrapping_sub(entry.armed_in) as i32 > 0;
            if entry.progress == Progress::Watched && is_since_arming {
                entry.progress = Progress::Hinted(ExitStatus::from_raw(hint.status));
                self.hinted.push(Token::from_parts(index, entry.generation));
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
        cursor: usize,
        count: usize,
        suspects: &mut Vec<Suspect>,
    ) -> Option<usize> {
        for (index, entry) in self.entries.iter().enumerate().skip(cursor) {
            let Some(entry) = entry else { continue };
            let is_settled = entry.settled.wrapping_sub(generation) as i32 >= 0;
            if entry.progress == Progress::Reported || is_settled {
                continue;
            }
            suspects.push(entry.suspect(index));
            if suspects.len() == count {
                return Some(index + 1);
            }
        }
        None
    }

    /// Every entry of the number that has not been reported.
    pub(crate) fn of_pid(&self, pid: Pid, suspects: &mut Vec<Suspect>) {
        let mut at = self.by_pid.get(&pid).copied();
        while let Some((index, entry)) =
            at.and_then(|index| Some((index, self.entries[index as usize].as_ref()?)))
        {
            if entry.progress != Progress::Reported {
                suspects.push(entry.suspect(index as usize));
            }
            at = entry.older;
        }
    }

    /// The entry, unless it has been reported or disarmed.
    pub(crate) fn suspect(&self, token: Token) -> Option<Suspect> {
        let entry = self.entry(token)?;
        (entry.progress != Progress::Reported).then(|| entry.suspect(token.index() as usize))
    }

    /// The number of an armed entry, when it was armed, and whether it has been
    /// reported.
    pub(crate) fn identity(&self, token: Token) -> Option<(Pid, Duration, bool)> {
        let entry = self.entry(token)?;
        let is_reported = entry.progress == Progress::Reported;
        Some((entry.pid, entry.armed_at, is_reported))
    }

    /// Marks an entry as reported; `false` when it has been, or has been disarmed.
    pub(crate) fn report(&mut self, token: Token) -> bool {
        match self.entry_mut(token) {
            Some(entry) if entry.progress != Progress::Reported => {
                entry.progress = Progress::Reported;
                true
            }
            _ => false,
        }
    }

    /// Marks an entry as seen alive after `generation` had begun. A hint that it
    /// had is spent.
    pub(crate) fn settle(&mut self, token: Token, generation: u32) {
        if let Some(entry) = self.entry_mut(token) {
            entry.settled = generation;
            if entry.progress != Progress::Reported {
                entry.progress = Progress::Watched;
            }
        }
    }

    /// Keeps a report for the watcher's thread.
    pub(crate) fn keep_report(&mut self, report: Report) {
        if self.report(report.token) {
            self.reports.push(report);
        }
    }

    pub(crate) fn take_reports(&mut self, reports: &mut Vec<Report>) {
        reports.append(&mut self.reports);
    }

    fn entry(&self, token: Token) -> Option<&Entry> {
        let entry = self.entries.get(token.index() as usize)?.as_ref()?;
        (entry.generation == token.generation()).then_some(entry)
    }

    fn entry_mut(&mut self, token: Token) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(token.index() as usize)?.as_mut()?;
        (entry.generation == token.generation()).then_some(entry)
    }
}

impl Entry {
    fn suspect(&self, index: usize) -> Suspect {
        Suspect {
            token: Token::from_parts(index as u32, self.generation),
            pid: self.pid,
            armed_at: self.armed_at,
            hint: match self.progress {
                Progress::Hinted(status) => Some(status),
                Progress::Watched | Progress::Reported => None,
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
                table.insert(pid(7), token(index), Duration::ZERO, 0);
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
        table.insert(pid(7), token(0), Duration::ZERO, 5);
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
            table.insert(pid(10 + index as i32), token(index), Duration::ZERO, 1);
        }
        table.settle(token(1), 2);
        assert!(table.report(token(3)));
        assert!(!table.report(token(3)));
        let mut suspects = Vec::new();
        let cursor = table.unsettled(2, 0, 2, &mut suspects);
        assert_eq!(cursor, Some(3));
        assert_eq!(table.unsettled(2, 3, 9, &mut suspects), None);
        let tokens: Vec<_> = suspects.iter().map(|suspect| suspect.token).collect();
        assert_eq!(tokens, [token(0), token(2), token(4)]);
    }
}
