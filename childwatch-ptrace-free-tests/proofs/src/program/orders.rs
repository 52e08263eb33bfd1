//! Whether some order of a number's calls explains all that they answered.
//!
//! What a watcher keeps for a number is, as far as answers go, one thing: the child that
//! is registered for it with `register_pid`, if any. Each call reads or changes that at
//! one moment between its beginning and its end. The moments are unknown; so every order
//! that they may have had is tried, the way Wing and Gong test for linearizability. Few
//! calls are under way at one time, so few orders are to be tried.

use std::collections::HashSet;
use std::process::ExitStatus;

/// A call that has returned.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// When it began and ended.
    pub(super) span: (usize, usize),
    /// Whose the number was, if it was anybody's.
    pub(super) child: Option<usize>,
    pub(super) outcome: Outcome,
}

/// What a call was, and came to.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Registered,
    AlreadyRegistered,
    /// `register_pid` of a number that no child has.
    RegisteredNobody,
    Unregistered,
    Joined(Told),
    NotRegistered,
    Watched(Told),
    /// `watch` of a number that no child has.
    WatchedNobody,
    /// A poll that found an exit.
    Polled(Told),
    /// A poll that found a process that has not exited.
    PolledAlive,
    /// What no such call may answer.
    Impossible,
}

/// What the callback was told, and when; `None` if it did not run.
pub(super) type Told = Option<(Option<ExitStatus>, usize)>;

/// Returns `true` if a callback may have reported this child so.
pub(super) type IsTrue<'a> = &'a dyn Fn(usize, Told) -> bool;

/// Whether there is such an order.
pub(super) fn exists(calls: &[Done], is_true: IsTrue<'_>) -> bool {
    assert!(calls.len() <= 128, "a program has fewer steps");
    Search {
        calls,
        is_true,
        seen: HashSet::new(),
    }
    .from(0, None)
}

struct Search<'a> {
    calls: &'a [Done],
    is_true: IsTrue<'a>,
    /// Calls that have had their moment, and what is registered after them: tried before.
    seen: HashSet<(u128, Option<usize>)>,
}

impl Search<'_> {
    fn from(&mut self, past: u128, registered: Option<usize>) -> bool {
        let left = || (0..self.calls.len()).filter(|index| past & (1 << index) == 0);
        let Some(first_end) = left().map(|index| self.calls[index].span.1).min() else {
            return true;
        };
        if !self.seen.insert((past, registered)) {
            return false;
        }
        // A call that began only after another had ended cannot be next.
        let next: Vec<_> = left()
            .filter(|index| self.calls[*index].span.0 <= first_end)
            .collect();
        next.into_iter()
            .any(|index| match self.moment(&self.calls[index], registered) {
                Some(registered) => self.from(past | 1 << index, registered),
                None => false,
            })
    }

    /// What is registered after the call; `None` when it can't have answered so.
    fn moment(&self, call: &Done, registered: Option<usize>) -> Option<Option<usize>> {
        let Done { child, outcome, .. } = call;
        let is_registered = registered.is_some() && registered == *child;
        match outcome {
            Outcome::Registered => (child.is_some() && !is_registered).then_some(*child),
            Outcome::AlreadyRegistered => is_registered.then_some(registered),
            Outcome::RegisteredNobody => child.is_none().then_some(registered),
            Outcome::Unregistered => Some(None),
            Outcome::Joined(told) => registered
                .filter(|owner| (self.is_true)(*owner, *told))
                .map(Some),
            Outcome::NotRegistered => registered.is_none().then_some(None),
            Outcome::Watched(told) => match (child, registered) {
                // A number's next child ends the registration of the last.
                (Some(child), _) => (self.is_true)(*child, *told).then_some(if is_registered {
                    registered
                } else {
                    None
                }),
                (None, Some(owner)) => (self.is_true)(owner, *told).then_some(registered),
                // It has joined the callbacks that are left, of a child that is no more.
                (None, None) => Some(None),
            },
            Outcome::WatchedNobody => {
                (child.is_none() && registered.is_none()).then_some(registered)
            }
            Outcome::Polled(told) => match (registered, child) {
                (Some(owner), _) => (self.is_true)(owner, *told).then_some(registered),
                // A callback that is left may keep the last child's exit in force.
                (None, _) => Some(None),
            },
            // The registered child still has the number.
            Outcome::PolledAlive => (child.is_some()
                && registered.is_none_or(|owner| Some(owner) == *child))
            .then_some(registered),
            Outcome::Impossible => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(span: (usize, usize), child: usize, outcome: Outcome) -> Done {
        Done {
            span,
            child: Some(child),
            outcome,
        }
    }

    fn explains(calls: &[Done]) -> bool {
        exists(calls, &|_, _| true)
    }

    #[test]
    fn of_two_registrations_one_after_the_other_the_second_is_refused() {
        assert!(explains(&[
            call((0, 1), 0, Outcome::Registered),
            call((2, 3), 0, Outcome::AlreadyRegistered),
        ]));
        assert!(!explains(&[
            call((0, 1), 0, Outcome::Registered),
            call((2, 3), 0, Outcome::Registered),
        ]));
        assert!(!explains(&[
            call((0, 1), 0, Outcome::AlreadyRegistered),
            call((2, 3), 0, Outcome::Registered),
        ]));
    }

    #[test]
    fn of_two_at_once_either_may_be_refused() {
        assert!(explains(&[
            call((0, 3), 0, Outcome::AlreadyRegistered),
            call((1, 2), 0, Outcome::Registered),
        ]));
        assert!(!explains(&[
            call((0, 3), 0, Outcome::Registered),
            call((1, 2), 0, Outcome::Registered),
        ]));
    }

    #[test]
    fn the_numbers_next_child_takes_its_place() {
        assert!(explains(&[
            call((0, 1), 0, Outcome::Registered),
            call((2, 3), 1, Outcome::Registered),
            call((4, 5), 1, Outcome::AlreadyRegistered),
        ]));
        assert!(!explains(&[
            call((0, 1), 0, Outcome::Registered),
            call((2, 3), 1, Outcome::Watched(None)),
            call((4, 5), 1, Outcome::Joined(None)),
        ]));
    }

    #[test]
    fn a_callback_is_its_childs_whose_registration_it_joined() {
        let calls = [
            call((0, 1), 0, Outcome::Registered),
            // The number is child 1's by now, and child 1 is not registered.
            call((2, 3), 1, Outcome::Joined(Some((None, 9)))),
        ];
        assert!(exists(&calls, &|owner, _| owner == 0));
        assert!(!exists(&calls, &|owner, _| owner == 1));
    }
}
