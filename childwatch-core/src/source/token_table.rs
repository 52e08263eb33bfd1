//! [`TokenTable`]: a value for each armed process.

use crate::source::growth::room_for_more;
use crate::source::token::Token;

/// A map from [`Token`]s to values.
///
/// A token finds a value only if it has the generation under which the value was inserted. The
/// table keeps memory for the greatest index that it has had, and for a sixteenth more.
///
/// The engine chooses the tokens, so a `Slab` or a `SlotMap` cannot be the table: they choose
/// their keys themselves. `slotmap::SecondaryMap` takes the keys of another map. But its
/// iterators begin at the first value, and the sweep of `childwatch-sigchld` goes on where it has
/// stopped ([`iter_from`](Self::iter_from)). A `HashMap` has no order to go on in. A `BTreeMap`
/// leaves up to half of each node empty, which is 30 bytes a child.
///
/// # Examples
///
/// ```
/// use childwatch_core::source::{Token, TokenTable};
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
    places: Vec<Option<Place<T>>>,
    len: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: T,
}

impl<T> TokenTable<T> {
    /// An empty table. It allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        TokenTable {
            places: Vec::new(),
            len: 0,
        }
    }

    /// Returns the number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Inserts a value under `token`. Returns the value that the same index had before, whatever
    /// its generation.
    pub fn insert(&mut self, token: Token, value: T) -> Option<T> {
        let index = token.index() as usize;
        if let Some(missing) = (index + 1).checked_sub(self.places.len()) {
            if index >= self.places.capacity() {
                let room = room_for_more(self.places.len());
                self.places.reserve_exact(room.max(missing));
            }
            self.places.resize_with(index + 1, || None);
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

    /// Removes the value of `token`, and returns it.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let place = self.places.get_mut(token.index() as usize)?;
        let taken = place.take_if(|place| place.generation == token.generation())?;
        self.len -= 1;
        Some(taken.value)
    }

    /// Returns the value of `token`.
    #[must_use]
    pub fn get(&self, token: Token) -> Option<&T> {
        let (found, value) = self.at(token.index())?;
        (found == token).then_some(value)
    }

    /// Returns the value of `token`, mutably.
    #[must_use]
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let (found, value) = self.at_mut(token.index())?;
        (found == token).then_some(value)
    }

    /// Returns the value at an index, with its token.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<(Token, &T)> {
        let place = self.places.get(index as usize)?.as_ref()?;
        Some((Token::from_parts(index, place.generation), &place.value))
    }

    /// Returns the value at an index, mutably, with its token.
    #[must_use]
    pub fn at_mut(&mut self, index: u32) -> Option<(Token, &mut T)> {
        let place = self.places.get_mut(index as usize)?.as_mut()?;
        let token = Token::from_parts(index, place.generation);
        Some((token, &mut place.value))
    }

    /// Returns the values at `index` and above, in the order of their indices.
    pub fn iter_from(&self, index: u32) -> impl Iterator<Item = (Token, &T)> {
        let places = self.places.get(index as usize..).unwrap_or_default();
        (index..).zip(places).filter_map(|(index, place)| {
            let Place { generation, value } = place.as_ref()?;
            Some((Token::from_parts(index, *generation), value))
        })
    }
}

impl<T> Default for TokenTable<T> {
    fn default() -> Self {
        Self::new()
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
    fn room_is_kept_for_few_more_values() {
        let mut table = TokenTable::new();
        for index in 0..1_000 {
            assert_eq!(table.insert(Token::from_parts(index, 0), ()), None);
            let room = table.places.capacity() - table.len();
            assert!(room <= table.len() / 16 + 8, "{room} beside {index}");
        }
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
}
