//! [`PidIndex`]: finds the place of a process by its pid.

use hashbrown::hash_table::{Entry, HashTable};

use crate::contract::pid::Pid;

/// Finds a place by the process that it is for, where the place itself says which that
/// is.
///
/// It takes five bytes a place, and as much again for growth. Looking up and putting in
/// want a function that gives the process of an index: for each index in here, always the
/// one that it was put in for.
#[derive(Debug, Default)]
pub struct PidIndex {
    indices: HashTable<u32>,
}

/// Spreads numbers that follow each other, as those of processes do, over the table's
/// buckets (low bits) and their tags (high bits): Fibonacci hashing. Nobody gains by a
/// collision, so it has no secret.
fn hash(pid: Pid) -> u64 {
    let spread = u64::from(pid.as_raw().unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ (spread >> 32)
}

impl PidIndex {
    /// An empty index, for which nothing is allocated.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The index that `pid` leads to.
    pub fn get(&self, pid: Pid, pid_of: impl Fn(u32) -> Pid) -> Option<u32> {
        self.indices
            .find(hash(pid), |&index| pid_of(index) == pid)
            .copied()
    }

    /// Has `pid` lead to `index` from now on; gives the index that it led to before.
    pub fn insert(&mut self, pid: Pid, index: u32, pid_of: impl Fn(u32) -> Pid) -> Option<u32> {
        let entry = self.indices.entry(
            hash(pid),
            |&index| pid_of(index) == pid,
            |&index| hash(pid_of(index)),
        );
        match entry {
            Entry::Occupied(mut occupied) => Some(std::mem::replace(occupied.get_mut(), index)),
            Entry::Vacant(vacant) => {
                vacant.insert(index);
                None
            }
        }
    }

    /// Has `pid` lead nowhere, if it leads to `index`; whether it did.
    pub fn remove(&mut self, pid: Pid, index: u32) -> bool {
        match self.indices.find_entry(hash(pid), |&found| found == index) {
            Ok(found) => {
                found.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Has every process lead nowhere.
    pub fn clear(&mut self) {
        self.indices.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_leads_from_each_pid_to_its_latest_place() {
        let pid = |number: u32| Pid::try_from(number + 1).unwrap();
        // Each process has two places.
        let pid_of = |index: u32| pid(index / 2);
        let mut index = PidIndex::new();
        for number in 0..1_000 {
            assert_eq!(index.insert(pid(number), number * 2, pid_of), None);
        }
        for number in 0..1_000 {
            let replaced = index.insert(pid(number), number * 2 + 1, pid_of);
            assert_eq!(replaced, Some(number * 2));
        }
        for number in 0..1_000 {
            assert_eq!(index.get(pid(number), pid_of), Some(number * 2 + 1));
            assert!(!index.remove(pid(number), number * 2));
            assert!(index.remove(pid(number), number * 2 + 1));
            assert!(!index.remove(pid(number), number * 2 + 1));
            assert_eq!(index.get(pid(number), pid_of), None);
        }
        assert!(index.is_empty());
    }

    #[test]
    fn a_cleared_index_leads_nowhere() {
        let pid = Pid::try_from(7).unwrap();
        let mut index = PidIndex::new();
        assert_eq!(index.insert(pid, 3, |_| pid), None);
        assert!(!index.is_empty());
        index.clear();
        assert!(index.is_empty());
        assert_eq!(index.get(pid, |_| pid), None);
    }
}
