//! [`Arrivals`]: the answers of an [`ExitSet`](crate::ExitSet), between the callbacks that bring
//! them and the threads and tasks that wait for them.
//!
//! There is one lock. While it is held, nothing else is called: no watcher, no waker, and no `Drop`
//! of a waker. Those run code of the executor or of the program, which may call the set again.
//!
//! Each change that a waiter may wait for wakes all waiters: an answer has come, or the set has
//! become empty. A waiter that finds nothing waits again. So no wake-up is lost if the waiter
//! that it was meant for gives up.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

use crate::contract::callback::WatchHandle;
use crate::contract::pid::Pid;
use crate::platform::sync::{Condvar, Mutex, MutexGuard};
use crate::wait::members::{Answer, Key, Members};

/// A place for the waker of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Place {
    /// The place of [`ExitSet::poll_next`](crate::ExitSet::poll_next).
    pub(crate) const OF_THE_SET: Place = Place(0);
}

/// What a waiter finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The answer that came first. It has been taken out.
    Answer(Answer),
    /// There are members, and none of them has an answer.
    Nothing,
    /// There are no members.
    Empty,
}

#[derive(Debug)]
pub(crate) struct Arrivals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    members: Members,
    /// The tasks that wait.
    wakers: Vec<(Place, Waker)>,
    last_place: u64,
}

impl Arrivals {
    pub(crate) fn new() -> Self {
        Arrivals {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }

    /// As [`Members::enter`].
    pub(crate) fn enter(&self, pid: Pid) -> Key {
        self.lock().members.enter(pid)
    }

    /// As [`Members::entered`].
    pub(crate) fn entered(&self, key: Key, handle: WatchHandle) -> Option<WatchHandle> {
        let mut state = self.lock();
        let unwanted = state.members.entered(key, handle);
        self.wake_if_settled(state);
        unwanted
    }

    /// As [`Members::refused`].
    pub(crate) fn refused(&self, key: Key) {
        let mut state = self.lock();
        state.members.refused(key);
        self.wake_if_settled(state);
    }

    /// As [`Members::report`]. The callback of a removed member calls no waker. So a caller that
    /// unregisters it does not wait for wakers.
    pub(crate) fn report(&self, key: Key, answer: Answer) {
        let mut state = self.lock();
        if state.members.report(key, answer) {
            self.wake_if_settled(state);
        }
    }

    /// As [`Members::remove`].
    pub(crate) fn remove(&self, pid: Pid, handles: &mut Vec<WatchHandle>) -> usize {
        let mut state = self.lock();
        let removed = state.members.remove(pid, handles);
        self.wake_if_settled(state);
        removed
    }

    /// As [`Members::clear`]. No task waits any more. The caller drops the wakers last.
    pub(crate) fn clear(&self) -> (Vec<WatchHandle>, impl Sized + use<>) {
        let mut state = self.lock();
        (state.members.clear(), mem::take(&mut state.wakers))
    }

    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.lock().members.pids()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().members.len()
    }

    /// Takes out the answer that came first, without waiting.
    pub(crate) fn try_take(&self) -> Found {
        self.take(self.lock())
    }

    /// Waits until there is an answer, or no member. It never returns [`Found::Nothing`].
    pub(crate) fn wait(&self) -> Found {
        let mut state = self.lock();
        while !state.is_settled() {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        self.take(state)
    }

    /// As [`wait`](Self::wait), for so long at most.
    pub(crate) fn wait_timeout(&self, timeout: Duration) -> Found {
        let waits = |state: &mut State| !state.is_settled();
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.take(state)
    }

    /// Takes out the answer that came first. If there is none, the waker has the place, until the
    /// task is woken.
    pub(crate) fn poll(&self, place: Place, waker: &Waker) -> Found {
        // `Waker::clone` and its `Drop` run code of the executor. So the new waker is cloned before
        // the lock is taken, and the former one is dropped after it is released.
        let waker = waker.clone();
        let mut state = self.lock();
        let _former = state.leave(place);
        if !state.is_settled() {
            state.wakers.push((place, waker));
        }
        self.take(state)
    }

    /// A place that no other task has.
    pub(crate) fn new_place(&self) -> Place {
        let mut state = self.lock();
        state.last_place += 1;
        Place(state.last_place)
    }

    /// The task in this place waits no more.
    pub(crate) fn leave(&self, place: Place) {
        let waker = self.lock().leave(place);
        drop(waker);
    }

    fn take(&self, mut state: MutexGuard<'_, State>) -> Found {
        if let Some(answer) = state.members.take() {
            if state.members.is_empty() {
                self.wake_if_settled(state);
            }
            return Found::Answer(answer);
        }
        if state.members.is_empty() {
            Found::Empty
        } else {
            Found::Nothing
        }
    }

    fn wake_if_settled(&self, mut state: MutexGuard<'_, State>) {
        if !state.is_settled() {
            return;
        }
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wake_all(wakers);
    }

    /// Takes the lock of the members and the wakers. Nothing is called while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns `true` if a waiter has something to return.
    fn is_settled(&self) -> bool {
        self.members.has_answer() || self.members.is_empty()
    }

    fn leave(&mut self, place: Place) -> Option<Waker> {
        let position = self.wakers.iter().position(|(of, _)| *of == place)?;
        Some(self.wakers.swap_remove(position).1)
    }
}

/// Wakes every task. If a waker panics, the others are woken nevertheless.
fn wake_all(wakers: Vec<(Place, Waker)>) {
    let mut panicked = None;
    for (_, waker) in wakers {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            match panicked {
                None => panicked = Some(payload),
                // Its Drop could panic too.
                Some(_) => mem::forget(payload),
            }
        }
    }
    if let Some(payload) = panicked {
        resume_unwind(payload);
    }
}

#[cfg(test)]
impl Arrivals {
    /// For tests of what runs without the lock.
    pub(crate) fn is_locked(&self) -> bool {
        self.state.try_lock().is_err()
    }

    pub(crate) fn while_locked(&self, body: impl FnOnce()) {
        let held = self.lock();
        body();
        drop(held);
    }
}
