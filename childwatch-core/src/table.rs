//! [`TokenTable`] and [`PidIndex`]: what a source needs to keep something for each armed
//! process, and to find it.

use hashbrown::hash_table::{Entry, HashTable};

use crate::chunked::Chunked;
use crate::{Pid, Token};

/// Values by the [`Token`] that they were put in under.
///
/// A token whose generation is not the value's own finds nothing. The table takes memory
/// for the most tokens that it held at one time, a few hundred more at most, and never
/// moves its values to grow.
///
/// # Examples
///
/// ```
/// use childwatch_core::{Token, TokenTable};
///
/// let mut table = TokenTable::new();
/// table.insert(Token::from_parts(3, 0), "old");
/// assert_eq!(table.remove(Token::from_parts(3, 0)), Some("old"));
/// table.insert(Token::from_parts(3, 1), "new");
/// assert_eq!(table.get(Token::from_parts(3, 0)), None);
/// assert_eq!(table.get(Token::from_parts(3, 1)), Some(&"new"));
/// ```
#[derive(Debug)]
pub struct TokenTable<T> {
    places: Chunked<Option<Place<T>>>,
    len: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: T,
}

impl<T> TokenTable<T> {
    /// A table with nothing in it, for which nothing is allocated.
    #[must_use]
    pub const fn new() -> Self {
        TokenTable {
            places: Chunked::new(),
            len: 0,
        }
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a value in under `token`. What another generation of the same index had
    /// there comes back.
    pub fn insert(&mut self, token: Token, value: T) -> Option<T> {
        let index = token.index() as usize;
        while self.places.len() <= index {
            self.places.push(None);
        }
        let place = Place {
            generation: token.generation(),
            value,
        };
        let former = self.places[index].replace(place);
        if former.is_none() {
            self.len += 1;
        }
        former.map(|place| place.value)
    }

    /// Takes out the value that was put in under `token`.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let place = self.places.get_mut(token.index() as usize)?;
        let taken = place.take_if(|place| place.generation == token.generation())?;
        self.len -= 1;
        Some(taken.value)
    }

    /// The value that was put in under `token`.
    #[must_use]
    pub fn get(&self, token: Token) -> Option<&T> {
        let (found, value) = self.at(token.index())?;
        (found == token).then_some(value)
    }

    /// The same, to be changed.
    #[must_use]
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let (found, value) = self.at_mut(token.index())?;
        (found == token).then_some(value)
    }

    /// The value at an index, with its token.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<(Token, &T)> {
        let place = self.places.get(index as usize)?.as_ref()?;
        Some((Token::from_parts(index, place.generation), &place.value))
    }

    /// The same, to be changed.
    #[must_use]
    pub fn at_mut(&mut self, index: u32) -> Option<(Token, &mut T)> {
        let place = self.places.get_mut(index as usize)?.as_mut()?;
        let token = Token::from_parts(index, place.generation);
        Some((token, &mut place.value))
    }

    /// The values at `index` and above, in the order of their indices.
    pub fn iter_from(&self, index: u32) -> impl Iterator<Item = (Token, &T)> {
        let places = self.places.iter_from(index as usize);
        places.filter_map(|(index, place)| {
            let Place { generation, value } = place.as_ref()?;
            // It was put in under a token, whose index is 32 bits wide.
            Some((Token::from_parts(index as u32, *generation), value))
        })
    }
}

impl<T> Default for TokenTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

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
    fn a_table_knows_its_values_by_index_and_generation() {
        let mut table = TokenTable::new();
        let token = |index, generation| Token::from_parts(index, generation);
        assert_eq!(table.insert(token(600, 7), "a"), None);
        assert_eq!(table.insert(token(2, 0), "b"), None);
        assert_eq!(table.len(), 2);
        assert!(!table.is_empty());
        assert_eq!(table.get(token(600, 7)), Some(&"a"));
        assert_eq!(table.get(token(600, 6)), None);
        assert_eq!(table.get_mut(token(600, 6)), None);
        assert_eq!(table.remove(token(600, 6)), None);
        assert_eq!(table.at(600), Some((token(600, 7), &"a")));
        assert_eq!(table.at(3), None);
        assert_eq!(table.at(u32::MAX), None);

        let all: Vec<_> = table.iter_from(0).collect();
        assert_eq!(all, [(token(2, 0), &"b"), (token(600, 7), &"a")]);
        assert_eq!(table.iter_from(3).count(), 1);

        assert_eq!(table.insert(token(2, 1), "c"), Some("b"));
        assert_eq!(table.len(), 2);
        assert_eq!(table.remove(token(2, 1)), Some("c"));
        assert_eq!(table.remove(token(600, 7)), Some("a"));
        assert!(table.is_empty());
    }

    #[test]
    fn a_tables_values_can_be_changed_in_their_places() {
        let mut table = TokenTable::new();
        let token = Token::from_parts(600, 7);
        assert_eq!(table.insert(token, 1), None);
        *table.get_mut(token).unwrap() += 1;
        let (found, value) = table.at_mut(600).unwrap();
        assert_eq!(found, token);
        *value += 1;
        assert_eq!(table.get(token), Some(&3));
        assert_eq!(table.at_mut(601), None);
    }

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
