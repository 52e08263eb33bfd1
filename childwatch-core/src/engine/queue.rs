//! [`Queue`]: first in, first out, with room for the first item inline.
//!
//! Nearly every process has one callback, and a watcher may have tens of thousands of
//! processes. A single callback costs no allocation besides its own box. Further callbacks of
//! the process cost one more.
//!
//! A `VecDeque` alone costs 24 bytes more a process, and 8 to 16 ns more a registration. A child
//! that `childwatch-sigchld` watches would then take up to 183 bytes, and 160 are the target. A
//! `SmallVec` has room for the first item too, but it moves all others when the first one leaves.

use std::collections::VecDeque;

/// # Invariants
///
/// `rest` holds items only while `first` holds one.
#[derive(Debug)]
#[expect(
    clippy::box_collection,
    reason = "8 bytes a process instead of 32, for the few that have a second callback"
)]
pub(crate) struct Queue<T> {
    first: Option<T>,
    rest: Option<Box<VecDeque<T>>>,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Queue {
            first: None,
            rest: None,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.first.is_none() {
            self.first = Some(item);
        } else {
            self.rest.get_or_insert_default().push_back(item);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let next = self.rest.as_mut().and_then(|rest| rest.pop_front());
        std::mem::replace(&mut self.first, next)
    }

    /// Takes out the item with this key, and keeps the order of the others. The keys must grow
    /// from the first item to the last.
    pub(crate) fn remove<K: Ord>(&mut self, key: K, key_of: impl Fn(&T) -> K) -> Option<T> {
        if self
            .first
            .as_ref()
            .is_some_and(|first| key_of(first) == key)
        {
            return self.pop();
        }
        let rest = self.rest.as_mut()?;
        let position = rest.binary_search_by_key(&key, key_of).ok()?;
        rest.remove(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_in_the_order_they_came_whatever_is_removed_between() {
        let mut queue = Queue::new();
        for item in 0..6 {
            queue.push(item);
        }
        assert_eq!(queue.remove(0, |item| *item), Some(0));
        assert_eq!(queue.remove(3, |item| *item), Some(3));
        assert_eq!(queue.remove(3, |item| *item), None);
        queue.push(6);
        let left: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(left, [1, 2, 4, 5, 6]);
        assert!(queue.is_empty());
    }
}
