//! [`PidIndex`]: a map from pids to indices.

use hashbrown::hash_table::{Entry, HashTable};

use crate::contract::pid::Pid;

/// Maps pids to indices of a table that has the pids itself.
///
/// The map stores the indices alone: five bytes for each, and as much again for growth. So most
/// calls take a function `pid_of` that returns the pid of an index. While an index is in the
/// map, the function must return the pid for which the index was inserted.
#[derive(Debug, Default)]
pub struct PidIndex {
    indices: HashTable<u32>,
}

/// Fibonacci hashing: spreads consecutive pids over the buckets of the table (low bits) and
/// their tags (high bits). A collision is no attack, so the hash has no secret.
fn hash(pid: Pid) -> u64 {
    let spread = u64::from(pid.as_raw().unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ (spread >> 32)
}

impl PidIndex {
    /// An empty map. It allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns `true` if no pid is in the map.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Returns the index of `pid`.
    pub fn get(&self, pid: Pid, pid_of: impl Fn(u32) -> Pid) -> Option<u32> {
        self.indices
            .find(hash(pid), |&index| pid_of(index) == pid)
            .copied()
    }

    /// Sets the index of `pid`. Returns the previous one.
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

    /// Removes `pid` if its index is `index`. Returns `true` if it was.
    pub fn remove(&mut self, pid: Pid, index: u32) -> bool {
        match self.indices.find_entry(hash(pid), |&found| found == index) {
            Ok(found) => {
                found.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Removes every pid.
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
