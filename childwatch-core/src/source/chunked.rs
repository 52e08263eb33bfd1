//! [`Chunked`]: a growing sequence whose items stay where they are.
//!
//! A watcher may have one process or fifty thousand. A `Vec` that grows over them has up to half
//! of its room empty, and sometimes copies all its items while a lock is held. `Chunked` has
//! less than a chunk of empty room, and never copies more than one chunk.

use std::ops::{Index, IndexMut};

/// Items a chunk.
const CHUNK: usize = 512;

/// # Invariants
///
/// Every chunk but the last is full.
#[derive(Debug)]
pub(crate) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunked<T> {
    pub(crate) const fn new() -> Self {
        Chunked { chunks: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        match self.chunks.split_last() {
            Some((last, full)) => full.len() * CHUNK + last.len(),
            None => 0,
        }
    }

    /// The index of the pushed item.
    pub(crate) fn push(&mut self, item: T) -> usize {
        let index = self.len();
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(item),
            // The first chunk grows as it is needed: most programs have a few children.
            None => self.chunks.push(vec![item]),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(item);
                self.chunks.push(chunk);
            }
        }
        index
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }

    /// The items from an index on, each with its own index.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = (usize, &T)> {
        let (chunk, mut skipped) = (index / CHUNK, index % CHUNK);
        let chunks = self.chunks.iter().skip(chunk);
        let items = chunks.flat_map(move |chunk| chunk.iter().skip(std::mem::take(&mut skipped)));
        items.zip(index..).map(|(item, index)| (index, item))
    }
}

impl<T> Index<usize> for Chunked<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.chunks[index / CHUNK][index % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunked<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_on_both_sides_of_each_chunks_end() {
        let mut chunked = Chunked::new();
        for item in 0..2 * CHUNK + 1 {
            assert_eq!(chunked.push(item), item);
            assert_eq!(chunked.len(), item + 1);
        }
        for index in [0, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK] {
            assert_eq!(chunked.get(index), Some(&index));
            assert_eq!(chunked.get_mut(index), Some(&mut { index }));
            let from: Vec<_> = chunked.iter_from(index).collect();
            assert_eq!(from.len(), chunked.len() - index);
            assert!(from.iter().all(|(index, item)| index == *item));
        }
        for beyond in [2 * CHUNK + 1, 3 * CHUNK, usize::MAX] {
            assert_eq!(chunked.get(beyond), None);
            assert_eq!(chunked.iter_from(beyond).count(), 0);
        }
        chunked.iter_mut().for_each(|item| *item += 1);
        assert_eq!(chunked[CHUNK], CHUNK + 1);
    }

    #[test]
    fn what_it_holds_stays_where_it_is() {
        let mut chunked = Chunked::new();
        for item in 0..CHUNK {
            chunked.push(item);
        }
        let last: *const _ = &chunked[CHUNK - 1];
        for item in 0..8 * CHUNK {
            chunked.push(item);
        }
        assert_eq!(&raw const chunked[CHUNK - 1], last);
    }

    #[test]
    fn room_is_kept_for_less_than_a_chunk_of_items_to_come() {
        let mut chunked = Chunked::new();
        for _ in 0..9 * CHUNK + 1 {
            chunked.push(0_u64);
        }
        let room: usize = chunked.chunks.iter().map(Vec::capacity).sum();
        assert_eq!(room, 10 * CHUNK);
    }
}
