//! [`Record`]: what the library has written, and whether it is right.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::ops::AddAssign;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::ensure;

/// How long the file is. The library has the same number.
const LENGTH: usize = 16 << 20;

/// The bytes that count those of the lines.
const HEAD: usize = 8;

/// Makes an empty record in a directory of its own. A process that has changed its user can open
/// it too.
pub(super) fn create(directory: &Path) -> anyhow::Result<PathBuf> {
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    let path = directory.join("record");
    let file = File::create(&path)?;
    file.set_len(LENGTH as u64)?;
    file.set_permissions(Permissions::from_mode(0o666))?;
    Ok(path)
}

/// Returns the lines. A process that was killed may have left one unwritten.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(file)?;
    ensure!(bytes.len() == LENGTH, "the record has another length");
    let (count, lines) = bytes.split_at(HEAD);
    let count = usize::try_from(u64::from_ne_bytes(count.try_into()?))?;
    ensure!(count <= lines.len(), "the record is full");
    let written = lines[..count].iter().copied().filter(|byte| *byte != 0);
    Ok(String::from_utf8_lossy(&written.collect::<Vec<_>>()).into_owned())
}

const NOT_UNDERSTOOD: &str = "a line that is not understood";

/// What the watchers of a trial were asked and have told.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) counts: Counts,
    pub(super) faults: Vec<String>,
}

/// How many children there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) processes: usize,
    pub(super) watched: usize,
    pub(super) told: usize,
    pub(super) unknown: usize,
    /// Children of which the told status was compared with the one that the program got.
    pub(super) compared: usize,
    /// Children that were reaped before they could be watched.
    pub(super) gone: usize,
}

/// A child that a process watches.
#[derive(Clone, Copy, Default)]
struct Child {
    /// What the watcher has told: a status as `wait` writes it, if it has one.
    told: Option<Option<i32>>,
    reaped: Option<i32>,
}

impl Record {
    /// Reads the lines: the pid of a process, a verb, and what it is about.
    pub(super) fn of(text: &str) -> Self {
        let mut record = Record::default();
        let mut children: HashMap<(&str, &str), Child> = HashMap::new();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let fault = match words[..] {
                [process, "begin"] => {
                    record.counts.processes += 1;
                    // The process may be another program by now.
                    children.retain(|(of, _), _| *of != process);
                    None
                }
                [process, "watch", child] => {
                    record.counts.watched += 1;
                    children.insert((process, child), Child::default());
                    None
                }
                // A handler of the program has been faster.
                [process, "gone", child] => {
                    record.counts.gone += 1;
                    children.remove(&(process, child));
                    None
                }
                [_, "refused", ..] => Some("refused"),
                [process, "told", child, status] => {
                    let told = status.parse().ok();
                    match children.get_mut(&(process, child)) {
                        _ if told.is_none() && status != "unknown" => Some(NOT_UNDERSTOOD),
                        Some(child) => child.tell(told, &mut record.counts),
                        None => Some("told, and not watched"),
                    }
                }
                [process, "reaped", child, status] => {
                    match (children.get_mut(&(process, child)), status.parse()) {
                        (_, Err(_)) => Some(NOT_UNDERSTOOD),
                        (Some(child), Ok(status)) => child.reap(status, &mut record.counts),
                        (None, Ok(_)) => Some("reaped, and not watched"),
                    }
                }
                [_, "end", "0"] => None,
                [_, "end", _] => Some("lost"),
                [_, "none", ..] => Some("no watcher"),
                _ => Some(NOT_UNDERSTOOD),
            };
            if let Some(fault) = fault {
                record.faults.push(format!("{fault}: {line}"));
            }
        }
        record
    }
}

impl Child {
    fn tell(&mut self, status: Option<i32>, counts: &mut Counts) -> Option<&'static str> {
        if self.told.replace(status).is_some() {
            return Some("told twice");
        }
        counts.told += 1;
        counts.unknown += usize::from(status.is_none());
        self.compare(counts)
    }

    fn reap(&mut self, status: i32, counts: &mut Counts) -> Option<&'static str> {
        if self.reaped.replace(status).is_some() {
            return Some("reaped twice");
        }
        self.compare(counts)
    }

    /// Called when either status has come.
    fn compare(&self, counts: &mut Counts) -> Option<&'static str> {
        let (told, reaped) = (self.told.flatten()?, self.reaped?);
        counts.compared += 1;
        (told != reaped).then_some("another status")
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.processes += other.processes;
        self.watched += other.watched;
        self.told += other.told;
        self.unknown += other.unknown;
        self.compared += other.compared;
        self.gone += other.gone;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            processes,
            watched,
            told,
            unknown,
            compared,
            gone,
        } = self;
        write!(
            f,
            "{processes} processes with a watcher, {watched} children watched, {told} exits told, \
             {unknown} of them without a status, {compared} statuses compared with what the program \
             got, {gone} children reaped before they were watched"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(lines: &[&str]) -> Vec<String> {
        Record::of(&lines.join("\n")).faults
    }

    #[test]
    fn a_record_without_a_fault_is_counted() {
        let record = Record::of(
            "7 begin\n7 watch 8\n7 told 8 256\n7 reaped 8 256\n7 watch 9\n7 reaped 9 0\n\
             7 told 9 unknown\n7 watch 8\n7 gone 8\n7 end 0\n",
        );
        assert_eq!(record.faults, [""; 0]);
        let counts = Counts {
            processes: 1,
            watched: 3,
            told: 2,
            unknown: 1,
            compared: 1,
            gone: 1,
        };
        assert_eq!(record.counts, counts);
    }

    #[test]
    fn each_fault_is_found() {
        let found = [
            (
                &["7 begin", "7 told 8 0"][..],
                "told, and not watched: 7 told 8 0",
            ),
            (
                &["7 begin", "7 watch 8", "7 gone 8", "7 told 8 0"],
                "told, and not watched: 7 told 8 0",
            ),
            (
                &["7 begin", "7 watch 8", "7 told 8 0", "7 told 8 0"],
                "told twice: 7 told 8 0",
            ),
            (
                &["7 begin", "7 watch 8", "7 told 8 0", "7 reaped 8 9"],
                "another status: 7 reaped 8 9",
            ),
            (
                &["7 begin", "7 watch 8", "7 reaped 8 9", "7 told 8 0"],
                "another status: 7 told 8 0",
            ),
            (
                &["7 begin", "7 watch 8", "7 reaped 8 0", "7 reaped 8 0"],
                "reaped twice: 7 reaped 8 0",
            ),
            (
                &["7 begin", "7 watch 8", "7 told 8 some"],
                "a line that is not understood: 7 told 8 some",
            ),
            (
                &["7 begin", "7 watch 8", "7 reaped 8 some"],
                "a line that is not understood: 7 reaped 8 some",
            ),
            (&["7 begin", "7 end 1"], "lost: 7 end 1"),
            (&["7 none for reasons"], "no watcher: 7 none for reasons"),
            (
                &["7 begin", "7 watch 8", "7 refused 8 out of files"],
                "refused: 7 refused 8 out of files",
            ),
            (
                &["7 begin", "7 wat"],
                "a line that is not understood: 7 wat",
            ),
        ];
        for (lines, fault) in found {
            assert_eq!(faults(lines), [fault]);
        }
    }

    #[test]
    fn a_record_has_as_many_bytes_as_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = create(folder.path()).unwrap();
        assert_eq!(read(&file).unwrap(), "");
        let mut bytes = vec![0; LENGTH];
        bytes[HEAD..][..8].copy_from_slice(b"7 end 0\n");
        for (count, text) in [(8_u64, Some("7 end 0\n")), (LENGTH as u64, None)] {
            bytes[..HEAD].copy_from_slice(&count.to_ne_bytes());
            fs::write(&file, &bytes).unwrap();
            assert_eq!(read(&file).ok().as_deref(), text);
        }
    }

    #[test]
    fn a_program_that_executes_another_begins_anew() {
        let lines = ["7 begin", "7 watch 8", "7 begin", "7 told 8 0"];
        assert_eq!(faults(&lines), ["told, and not watched: 7 told 8 0"]);
        let lines = ["7 begin", "7 watch 8", "7 begin", "7 watch 8", "7 told 8 0"];
        assert_eq!(faults(&lines), [""; 0]);
    }
}
