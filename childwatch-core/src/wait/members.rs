//! [`Members`]: the processes of an [`ExitSet`](crate::ExitSet), and the answers that have come.
//!
//! A member gets one answer: its exit, or the news that its watcher has ended. There is no lock
//! here, and no call of a watcher. [`Arrivals`](super::arrivals::Arrivals) has the lock.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::callback::WatchHandle;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;

/// Names one member. The number differs for each insertion, so a key never means two processes.
pub(crate) type Key = (Pid, u64);

/// The exit, or `None` if the watcher has dropped the callback without a call.
pub(crate) type Answer = Option<Exit>;

#[derive(Debug, Default)]
pub(crate) struct Members {
    members: BTreeMap<Key, Member>,
    /// The answers that have come, by their order. The member of each is `Answered`.
    answers: BTreeMap<u64, (Key, Answer)>,
    /// The members that were removed while they were `Entering`.
    left_early: BTreeSet<Key>,
    /// The number of the next insertion or answer.
    next: u64,
}

#[derive(Clone, Copy, Debug)]
enum Member {
    /// The watcher is being asked to take the callback. It may have dropped the callback already,
    /// because it refuses, or because it ends.
    Entering {
        is_dropped: bool,
    },
    Watched(WatchHandle),
    Answered {
        order: u64,
    },
}

impl Members {
    /// Adds a member, before its callback is registered.
    pub(crate) fn enter(&mut self, pid: Pid) -> Key {
        let key = (pid, self.next_number());
        let is_dropped = false;
        self.members.insert(key, Member::Entering { is_dropped });
        key
    }

    /// The watcher has taken the callback. Returns the handle if the member has been removed
    /// meanwhile, so that the caller unregisters the callback.
    pub(crate) fn entered(&mut self, key: Key, handle: WatchHandle) -> Option<WatchHandle> {
        if self.left_early.remove(&key) {
            return Some(handle);
        }
        match self.members.get_mut(&key) {
            Some(Member::Entering { is_dropped: true }) => self.answer(key, None),
            Some(member @ Member::Entering { .. }) => *member = Member::Watched(handle),
            // The answer has come already, and perhaps a waiter has taken it.
            Some(Member::Watched(_) | Member::Answered { .. }) | None => {}
        }
        None
    }

    /// The watcher has refused the callback.
    pub(crate) fn refused(&mut self, key: Key) {
        self.left_early.remove(&key);
        self.members.remove(&key);
    }

    /// The callback has run, or was dropped. Returns `true` if this is the member's answer. A member
    /// with an answer keeps that answer. A removed member gets none.
    pub(crate) fn report(&mut self, key: Key, answer: Answer) -> bool {
        match (self.members.get_mut(&key), answer) {
            // Not known until the watcher has returned: it may be a refusal.
            (Some(Member::Entering { is_dropped }), None) => {
                *is_dropped = true;
                false
            }
            (Some(Member::Entering { .. } | Member::Watched(_)), answer) => {
                self.answer(key, answer);
                true
            }
            (Some(Member::Answered { .. }) | None, _) => false,
        }
    }

    /// Takes out the answer that came first, and its member.
    pub(crate) fn take(&mut self) -> Option<Answer> {
        let (_, (key, answer)) = self.answers.pop_first()?;
        self.members.remove(&key);
        Some(answer)
    }

    /// Takes out the members with this pid, and returns how many there were. Adds to `handles` those
    /// of the callbacks that are to be unregistered.
    pub(crate) fn remove(&mut self, pid: Pid, handles: &mut Vec<WatchHandle>) -> usize {
        let of_pid = self.members.range((pid, 0)..=(pid, u64::MAX));
        let keys: Vec<Key> = of_pid.map(|(key, _)| *key).collect();
        for key in &keys {
            match self.members.remove(key) {
                Some(Member::Entering { .. }) => {
                    self.left_early.insert(*key);
                }
                Some(Member::Watched(handle)) => handles.push(handle),
                Some(Member::Answered { order }) => {
                    self.answers.remove(&order);
                }
                None => {}
            }
        }
        keys.len()
    }

    /// Takes out all members. Returns the handles of the callbacks that are to be unregistered.
    pub(crate) fn clear(&mut self) -> Vec<WatchHandle> {
        let mut handles = Vec::new();
        while let Some(((pid, _), _)) = self.members.first_key_value() {
            self.remove(*pid, &mut handles);
        }
        handles
    }

    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.members.keys().map(|(pid, _)| *pid).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn has_answer(&self) -> bool {
        !self.answers.is_empty()
    }

    fn answer(&mut self, key: Key, answer: Answer) {
        let order = self.next_number();
        self.members.insert(key, Member::Answered { order });
        self.answers.insert(order, (key, answer));
    }

    fn next_number(&mut self) -> u64 {
        // 2^64 insertions take longer than any process lives.
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::try_from(raw).unwrap()
    }

    fn handle() -> WatchHandle {
        WatchHandle::new_unique(pid(7))
    }

    fn exit() -> Answer {
        Some(Exit::new(pid(7), None))
    }

    /// The watcher takes the callback, and ends before `watch` has returned.
    #[test]
    fn a_callback_that_is_dropped_while_its_member_enters_is_an_answer_unless_it_is_refused() {
        let mut members = Members::default();
        let [taken, refused] = [(); 2].map(|()| members.enter(pid(7)));
        assert!(!members.report(taken, None));
        assert!(!members.report(refused, None));
        assert_eq!(members.take(), None);
        assert_eq!(members.entered(taken, handle()), None);
        members.refused(refused);
        assert_eq!(members.take(), Some(None));
        assert_eq!(members.take(), None);
        assert!(members.is_empty());
    }

    #[test]
    fn a_member_that_is_removed_while_it_enters_is_unregistered_by_its_insertion() {
        let mut members = Members::default();
        let [taken, refused] = [(); 2].map(|()| members.enter(pid(7)));
        let mut handles = Vec::new();
        assert_eq!(members.remove(pid(7), &mut handles), 2);
        assert!(members.is_empty() && handles.is_empty());
        assert!(!members.report(taken, exit()));
        assert_eq!(members.take(), None);
        let handle = handle();
        assert_eq!(members.entered(taken, handle), Some(handle));
        members.refused(refused);
        assert!(members.left_early.is_empty());
    }

    #[test]
    fn an_exit_that_is_taken_while_its_member_enters_leaves_nothing() {
        let mut members = Members::default();
        let key = members.enter(pid(7));
        assert!(members.report(key, exit()));
        assert_eq!(members.take(), Some(exit()));
        assert_eq!(members.entered(key, handle()), None);
        assert!(!members.report(key, None));
        assert!(members.is_empty() && !members.has_answer());
    }

    #[test]
    fn what_has_an_answer_is_not_to_be_unregistered() {
        let mut members = Members::default();
        let watched = handle();
        let [waits, answered] = [(); 2].map(|()| members.enter(pid(7)));
        members.entered(waits, watched);
        members.entered(answered, handle());
        assert!(members.report(answered, exit()));
        assert!(!members.report(answered, None), "it has an answer");
        members.enter(pid(8));
        assert_eq!(members.pids(), [pid(7), pid(7), pid(8)]);
        assert_eq!(members.clear(), [watched]);
        assert!(members.is_empty() && !members.has_answer());
    }
}
