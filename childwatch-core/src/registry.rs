//! [`Registry`]: which processes are registered, which callbacks wait for them,
//! and which are due.
//!
//! A pure state machine: no lock, no thread, no I/O. [`dispatch`](crate::dispatch)
//! puts it behind a lock, and [`threaded`](crate::threaded) between the callers
//! and an [`ExitSource`](crate::ExitSource). It never drops a callback while it
//! is alive itself: each comes back to the caller, to be dropped outside the lock.
//!
//! # The life of a slot
//!
//! ```text
//!            reserve            commit                 process_exited
//!   Vacant ──────────▶ Arming ──────────▶ Registered ─────────────────▶ Registered, exit known
//!     ▲                  │ release           │ held by nothing any more: no tenure, no callback
//!     │                  ▼                   ▼
//!     └───────────────────────────────── Retired
//!                    release             (the source still has it armed)
//! ```
//!
//! # Invariants
//!
//! 1. A registration is `Held` or has callbacks queued. One that would be
//!    neither is `Retired` by the very transition that made it so, and that
//!    transition hands its token out, once, to be disarmed and released.
//! 2. `ready` holds the tokens of the registrations whose exit is known and
//!    whose queue is not empty: all of them, and each once.
//! 3. `current` leads from a pid to the one registration that new callbacks for
//!    that number join. Registrations of a number's former processes stand in
//!    no index: only their tokens and their callbacks' handles lead to them.
//! 4. A slot's generation changes whenever it becomes vacant, so a token outlives
//!    its registration harmlessly.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU64;
use std::process::ExitStatus;

use crate::chunked::Chunked;
use crate::queue::Queue;
use crate::{Exit, Pid, PidIndex, Report, Token, WatchHandle};

/// `C` is the callback; the models and property tests use plain values.
#[derive(Debug)]
pub(crate) struct Registry<C> {
    slots: Chunked<Slot<C>>,
    vacant: Vec<u32>,
    current: PidIndex,
    ready: VecDeque<Token>,
    running: Option<NonZeroU64>,
}

/// How long a registration lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// Until `unregister_pid`, with or without callbacks.
    Held,
    /// Until its last callback has been run or taken out.
    Ephemeral,
}

/// What stands in the way of a new registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) token: Token,
    pub(crate) tenure: Tenure,
}

/// A callback that is due.
#[derive(Debug)]
pub(crate) struct Due<C> {
    pub(crate) exit: Exit,
    pub(crate) callback: C,
    /// To be disarmed, when this was the last of its registration.
    pub(crate) retired: Option<Token>,
}

/// A registration that is now in force.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Whether the watcher's thread has something to run at once.
    pub(crate) is_due: bool,
    /// The former process's registration, when that held nothing any more.
    pub(crate) retired: Option<Token>,
}

/// Another registration for the same number came first.
#[derive(Debug)]
pub(crate) struct Contended;

/// What taking out a callback came to.
#[derive(Debug)]
pub(crate) enum Cancelled<C> {
    Removed { callback: C, retired: Option<Token> },
    Running,
    Absent,
}

#[derive(Debug)]
struct Slot<C> {
    generation: u32,
    /// Whose it is, or was when it is vacant.
    pid: Pid,
    state: State<C>,
}

#[derive(Debug)]
enum State<C> {
    Vacant,
    /// The source has been asked; its report may come before its answer.
    Arming(Life),
    Registered(Registration<C>),
    /// Held by nobody; the source is being told.
    Retired,
}

#[derive(Debug)]
struct Registration<C> {
    tenure: Tenure,
    life: Life,
    callbacks: Queue<Waiting<C>>,
}

/// What the source has said of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    NotReported,
    Exited(Option<ExitStatus>),
}

#[derive(Debug)]
struct Waiting<C> {
    id: NonZeroU64,
    callback: C,
}

impl<C> Registry<C> {
    pub(crate) fn new() -> Self {
        Registry {
            slots: Chunked::new(),
            vacant: Vec::new(),
            current: PidIndex::new(),
            ready: VecDeque::new(),
            running: None,
        }
    }

    /// The registration that new callbacks for `pid` join.
    pub(crate) fn current(&self, pid: Pid) -> Option<Current> {
        let index = self.current.get(pid, |index| self.pid_at(index))?;
        let slot = &self.slots[index as usize];
        match &slot.state {
            State::Registered(registration) => Some(Current {
                token: Token::from_parts(index, slot.generation),
                tenure: registration.tenure,
            }),
            State::Vacant | State::Arming(_) | State::Retired => None,
        }
    }

    /// A token to arm `pid` under. It ends with [`commit`](Self::commit),
    /// [`commit_watch`](Self::commit_watch) or [`release`](Self::release).
    pub(crate) fn reserve(&mut self, pid: Pid) -> Token {
        let state = State::Arming(Life::NotReported);
        if let Some(index) = self.vacant.pop() {
            let slot = &mut self.slots[index as usize];
            slot.pid = pid;
            slot.state = state;
            return Token::from_parts(index, slot.generation);
        }
        let generation = 0;
        let index = self.slots.push(Slot {
            generation,
            pid,
            state,
        });
        let index = u32::try_from(index).expect("2^32 slots do not fit in memory");
        Token::from_parts(index, generation)
    }

    /// Makes an armed token `pid`'s current registration, held and without
    /// callbacks, in the place of `former`. `Contended` when another one has
    /// become current since; `token` is then to be disarmed and released.
    pub(crate) fn commit(
        &mut self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
    ) -> Result<Committed, Contended> {
        if self.is_contended(pid, former) {
            return Err(Contended);
        }
        Ok(self.enter(pid, token, former, Tenure::Held, Queue::new()))
    }

    /// The same for a registration that ends with its last callback, of which
    /// this is the first. `Err` gives the callback back.
    pub(crate) fn commit_watch(
        &mut self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
        callback: C,
    ) -> Result<(WatchHandle, Committed), C> {
        if self.is_contended(pid, former) {
            return Err(callback);
        }
        let handle = WatchHandle::next_in_slot(pid, token.index());
        let mut callbacks = Queue::new();
        callbacks.push(Waiting {
            id: handle.id(),
            callback,
        });
        let committed = self.enter(pid, token, former, Tenure::Ephemeral, callbacks);
        Ok((handle, committed))
    }

    /// Gives a slot back, whose token the source has not, or not any more.
    pub(crate) fn release(&mut self, token: Token) {
        let slot = &mut self.slots[token.index() as usize];
        debug_assert_eq!(slot.generation, token.generation());
        debug_assert!(matches!(slot.state, State::Arming(_) | State::Retired));
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = State::Vacant;
        self.vacant.push(token.index());
    }

    /// Makes a registration last until `unregister_pid`; `false` when it is gone, or
    /// another call has made it last already.
    pub(crate) fn hold(&mut self, token: Token) -> bool {
        let Some((_, registration)) = self.registered(token) else {
            return false;
        };
        mem::replace(&mut registration.tenure, Tenure::Held) == Tenure::Ephemeral
    }

    /// Adds a callback to a registration: its handle, and whether the watcher's
    /// thread has something to run at once. `Err` gives the callback back when
    /// the registration is gone.
    pub(crate) fn join(&mut self, token: Token, callback: C) -> Result<(WatchHandle, bool), C> {
        let Some((pid, registration)) = self.registered(token) else {
            return Err(callback);
        };
        let handle = WatchHandle::next_in_slot(pid, token.index());
        let is_due = registration.has_exited();
        let becomes_ready = is_due && registration.callbacks.is_empty();
        registration.callbacks.push(Waiting {
            id: handle.id(),
            callback,
        });
        if becomes_ready {
            self.ready.push_back(token);
        }
        Ok((handle, is_due))
    }

    /// Ends `pid`'s tenure. The token is to be disarmed, when nothing is left.
    pub(crate) fn unregister_pid(&mut self, pid: Pid) -> Option<Token> {
        let Current { token, .. } = self.current(pid)?;
        self.end_tenure(token)
    }

    /// Takes a callback out, if it has not begun to run.
    pub(crate) fn cancel(&mut self, handle: WatchHandle) -> Cancelled<C> {
        if self.running == Some(handle.id()) {
            return Cancelled::Running;
        }
        let Some(slot) = self.slots.get_mut(handle.slot() as usize) else {
            return Cancelled::Absent;
        };
        let token = Token::from_parts(handle.slot(), slot.generation);
        let State::Registered(registration) = &mut slot.state else {
            return Cancelled::Absent;
        };
        let Some(removed) = registration
            .callbacks
            .remove(|waiting| waiting.id == handle.id())
        else {
            return Cancelled::Absent;
        };
        if registration.has_exited() && registration.callbacks.is_empty() {
            self.ready.retain(|ready| *ready != token);
        }
        Cancelled::Removed {
            callback: removed.callback,
            retired: self.retire_if_unheld(token),
        }
    }

    /// A source's report. Repeats and stale generations change nothing.
    pub(crate) fn process_exited(&mut self, Report { token, status }: Report) {
        let Some(slot) = self.slots.get_mut(token.index() as usize) else {
            return;
        };
        if slot.generation != token.generation() {
            return;
        }
        let (State::Arming(life) | State::Registered(Registration { life, .. })) = &mut slot.state
        else {
            return;
        };
        if *life != Life::NotReported {
            return;
        }
        *life = Life::Exited(status);
        if slot.state.has_callbacks() {
            self.ready.push_back(token);
        }
    }

    /// The next callback to run; it counts as running until
    /// [`callback_finished`](Self::callback_finished).
    ///
    /// Registrations take turns, so one that is fed ever new callbacks keeps no
    /// other waiting; each one's own callbacks come in order (C4).
    pub(crate) fn next_due(&mut self) -> Option<Due<C>> {
        let token = self.ready.pop_front()?;
        let (pid, registration) = self.registered(token)?;
        let Life::Exited(status) = registration.life else {
            return None;
        };
        let Waiting { id, callback } = registration.callbacks.pop()?;
        if !registration.callbacks.is_empty() {
            self.ready.push_back(token);
        }
        self.running = Some(id);
        Some(Due {
            exit: Exit::new(pid, status),
            callback,
            retired: self.retire_if_unheld(token),
        })
    }

    pub(crate) fn callback_finished(&mut self) {
        self.running = None;
    }

    pub(crate) fn is_running(&self, id: NonZeroU64) -> bool {
        self.running == Some(id)
    }

    pub(crate) fn has_due(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Empties the registry, for the end of the watcher: every callback that
    /// has not begun to run.
    pub(crate) fn take_all(&mut self) -> Vec<C> {
        self.ready.clear();
        self.current.clear();
        let mut callbacks = Vec::new();
        for slot in self.slots.iter_mut() {
            if let State::Registered(registration) = &mut slot.state {
                while let Some(waiting) = registration.callbacks.pop() {
                    callbacks.push(waiting.callback);
                }
                slot.state = State::Retired;
            }
        }
        callbacks
    }

    fn is_contended(&self, pid: Pid, former: Option<Token>) -> bool {
        self.current(pid).map(|current| current.token) != former
    }

    fn enter(
        &mut self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
        tenure: Tenure,
        callbacks: Queue<Waiting<C>>,
    ) -> Committed {
        // A former process's claim to the number ends; its callbacks still run.
        let retired = former.and_then(|former| self.end_tenure(former));
        let slot = &mut self.slots[token.index() as usize];
        let life = match slot.state {
            State::Arming(life) => life,
            State::Vacant | State::Registered(_) | State::Retired => Life::NotReported,
        };
        let is_due = life != Life::NotReported && !callbacks.is_empty();
        slot.state = State::Registered(Registration {
            tenure,
            life,
            callbacks,
        });
        if is_due {
            self.ready.push_back(token);
        }
        let slots = &self.slots;
        self.current
            .insert(pid, token.index(), |index| slots[index as usize].pid);
        Committed { is_due, retired }
    }

    fn end_tenure(&mut self, token: Token) -> Option<Token> {
        let (_, registration) = self.registered(token)?;
        registration.tenure = Tenure::Ephemeral;
        self.retire_if_unheld(token)
    }

    /// Upholds invariant 1.
    fn retire_if_unheld(&mut self, token: Token) -> Option<Token> {
        let (pid, registration) = self.registered(token)?;
        if registration.tenure == Tenure::Held || !registration.callbacks.is_empty() {
            return None;
        }
        self.current.remove(pid, token.index());
        self.slots[token.index() as usize].state = State::Retired;
        Some(token)
    }

    fn registered(&mut self, token: Token) -> Option<(Pid, &mut Registration<C>)> {
        match self.slots.get_mut(token.index() as usize)? {
            Slot {
                generation,
                pid,
                state: State::Registered(registration),
            } if *generation == token.generation() => Some((*pid, registration)),
            _ => None,
        }
    }

    fn pid_at(&self, index: u32) -> Pid {
        self.slots[index as usize].pid
    }
}

impl<C> State<C> {
    fn has_callbacks(&self) -> bool {
        match self {
            State::Registered(registration) => !registration.callbacks.is_empty(),
            State::Vacant | State::Arming(_) | State::Retired => false,
        }
    }
}

impl<C> Registration<C> {
    fn has_exited(&self) -> bool {
        self.life != Life::NotReported
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::try_from(raw).unwrap()
    }

    fn registered(registry: &mut Registry<&'static str>, number: i32) -> Token {
        let token = registry.reserve(pid(number));
        registry.commit(pid(number), token, None).unwrap();
        token
    }

    fn exited(registry: &mut Registry<&'static str>, token: Token) {
        registry.process_exited(Report {
            token,
            status: None,
        });
    }

    fn due(registry: &mut Registry<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| {
            let due = registry.next_due()?;
            registry.callback_finished();
            if let Some(token) = due.retired {
                registry.release(token);
            }
            Some(due.callback)
        })
        .collect()
    }

    #[test]
    fn a_slot_takes_no_more_than_seven_words() {
        assert!(size_of::<Slot<crate::ExitCallback>>() <= 7 * size_of::<u64>());
    }

    #[test]
    fn a_report_before_the_commit_is_kept() {
        let mut registry = Registry::new();
        let token = registry.reserve(pid(1));
        exited(&mut registry, token);
        let (_, committed) = registry.commit_watch(pid(1), token, None, "late").unwrap();
        assert!(committed.is_due);
        assert_eq!(due(&mut registry), ["late"]);
        assert_eq!(registry.current(pid(1)), None);
    }

    #[test]
    fn a_stale_report_does_not_touch_the_slots_next_holder() {
        let mut registry = Registry::new();
        let old = registered(&mut registry, 1);
        let retired = registry.unregister_pid(pid(1));
        assert_eq!(retired, Some(old));
        registry.release(old);

        let new = registered(&mut registry, 2);
        assert_eq!(new.index(), old.index());
        registry.join(new, "new").unwrap();
        exited(&mut registry, old);
        assert_eq!(due(&mut registry), [""; 0]);
        exited(&mut registry, new);
        assert_eq!(due(&mut registry), ["new"]);
    }

    #[test]
    fn a_slot_is_not_reused_before_the_source_has_let_go() {
        let mut registry = Registry::new();
        let old = registered(&mut registry, 1);
        assert_eq!(registry.unregister_pid(pid(1)), Some(old));
        let new = registry.reserve(pid(2));
        assert_ne!(new.index(), old.index());
    }

    #[test]
    fn a_numbers_new_process_leaves_the_old_ones_callbacks_alone() {
        let mut registry = Registry::new();
        let old = registered(&mut registry, 1);
        registry.join(old, "old").unwrap();
        let new = registry.reserve(pid(1));
        let committed = registry.commit(pid(1), new, Some(old)).unwrap();
        assert_eq!(committed.retired, None);
        registry.join(new, "new").unwrap();

        exited(&mut registry, new);
        assert_eq!(due(&mut registry), ["new"]);
        exited(&mut registry, old);
        assert_eq!(due(&mut registry), ["old"]);
        assert_eq!(registry.current(pid(1)).unwrap().token, new);
    }

    #[test]
    fn the_second_of_two_concurrent_registrations_yields() {
        let mut registry = Registry::<&str>::new();
        let first = registry.reserve(pid(1));
        let second = registry.reserve(pid(1));
        registry.commit(pid(1), second, None).unwrap();
        let refused = registry.commit_watch(pid(1), first, None, "mine");
        assert_eq!(refused.unwrap_err(), "mine");
    }

    #[test]
    fn of_two_that_hold_one_registration_the_second_is_told() {
        let mut registry = Registry::new();
        let token = registry.reserve(pid(1));
        registry.commit_watch(pid(1), token, None, "mine").unwrap();
        assert!(registry.hold(token));
        assert!(!registry.hold(token));
    }

    #[test]
    fn processes_take_turns_and_each_keeps_its_order() {
        let mut registry = Registry::new();
        let one = registered(&mut registry, 1);
        let two = registered(&mut registry, 2);
        for callback in ["1a", "1b", "1c"] {
            registry.join(one, callback).unwrap();
        }
        registry.join(two, "2a").unwrap();
        exited(&mut registry, one);
        exited(&mut registry, two);
        assert_eq!(due(&mut registry), ["1a", "2a", "1b", "1c"]);
    }

    #[test]
    fn cancelling_the_last_due_callback_leaves_nothing_ready() {
        let mut registry = Registry::new();
        let token = registered(&mut registry, 1);
        let (handle, _) = registry.join(token, "never").unwrap();
        exited(&mut registry, token);
        assert!(matches!(
            registry.cancel(handle),
            Cancelled::Removed {
                callback: "never",
                retired: None
            }
        ));
        assert!(!registry.has_due());
        assert!(matches!(registry.cancel(handle), Cancelled::Absent));
    }

    #[test]
    fn a_running_callback_is_known_by_its_handle() {
        let mut registry = Registry::new();
        let token = registered(&mut registry, 1);
        let (handle, _) = registry.join(token, "now").unwrap();
        exited(&mut registry, token);
        assert!(registry.next_due().is_some());
        assert!(matches!(registry.cancel(handle), Cancelled::Running));
        registry.callback_finished();
        assert!(matches!(registry.cancel(handle), Cancelled::Absent));
    }

    #[test]
    fn cancelling_one_of_two_due_callbacks_leaves_the_other() {
        let mut registry = Registry::new();
        let token = registered(&mut registry, 1);
        let (handle, _) = registry.join(token, "never").unwrap();
        registry.join(token, "still").unwrap();
        exited(&mut registry, token);
        assert!(matches!(registry.cancel(handle), Cancelled::Removed { .. }));
        assert_eq!(due(&mut registry), ["still"]);
    }

    #[test]
    fn a_callback_is_taken_out_of_its_own_registration() {
        let mut registry = Registry::new();
        let one = registered(&mut registry, 1);
        let two = registered(&mut registry, 2);
        registry.join(one, "1").unwrap();
        let (handle, _) = registry.join(two, "2").unwrap();
        let Cancelled::Removed { callback, .. } = registry.cancel(handle) else {
            panic!("it has not run");
        };
        assert_eq!(callback, "2");
    }

    #[test]
    fn a_repeated_report_changes_nothing() {
        let mut registry = Registry::new();
        let token = registered(&mut registry, 1);
        registry.join(token, "first").unwrap();
        registry.join(token, "second").unwrap();
        let told = Exit::new(pid(1), Some(ExitStatus::from_raw(0)));
        registry.process_exited(Report {
            token,
            status: told.status(),
        });
        exited(&mut registry, token);
        let due = registry.next_due().unwrap();
        assert_eq!(due.exit, told);
        registry.callback_finished();
        assert_eq!(registry.next_due().unwrap().callback, "second");
        registry.callback_finished();
        assert!(!registry.has_due());
    }

    #[test]
    fn a_registration_is_due_only_with_an_exit_and_a_callback() {
        let mut registry = Registry::new();
        let alive = registry.reserve(pid(1));
        let (_, committed) = registry.commit_watch(pid(1), alive, None, "1").unwrap();
        assert!(!committed.is_due, "it has not exited");

        let idle = registry.reserve(pid(2));
        exited(&mut registry, idle);
        let committed = registry.commit(pid(2), idle, None).unwrap();
        assert!(!committed.is_due, "it has no callback");
        assert!(!registry.has_due());
        assert!(registry.next_due().is_none());

        let (_, is_due) = registry.join(idle, "2").unwrap();
        assert!(is_due);
        assert!(registry.has_due());
    }

    #[test]
    fn a_watch_can_be_held_until_its_last_callback_has_run() {
        let mut registry = Registry::new();
        let token = registry.reserve(pid(1));
        registry.commit_watch(pid(1), token, None, "first").unwrap();
        assert!(registry.hold(token));
        exited(&mut registry, token);
        assert_eq!(due(&mut registry), ["first"]);
        // It is there still, for a late callback.
        registry.join(token, "late").unwrap();
        assert_eq!(registry.unregister_pid(pid(1)), None);
        assert_eq!(due(&mut registry), ["late"]);
        assert!(!registry.hold(token));
    }

    #[test]
    fn a_numbers_old_registration_without_callbacks_is_retired_by_its_new_one() {
        let mut registry = Registry::<&str>::new();
        let old = registered(&mut registry, 1);
        let new = registry.reserve(pid(1));
        let committed = registry.commit(pid(1), new, Some(old)).unwrap();
        assert_eq!(committed.retired, Some(old));
    }

    #[test]
    fn a_token_outlives_its_registration_harmlessly() {
        let mut registry = Registry::new();
        let old = registered(&mut registry, 1);
        assert_eq!(registry.unregister_pid(pid(1)), Some(old));
        registry.release(old);
        let new = registered(&mut registry, 2);
        assert_eq!(new.index(), old.index());
        assert!(!registry.hold(old));
        assert_eq!(registry.join(old, "mine").unwrap_err(), "mine");
    }

    #[test]
    fn only_the_callback_that_runs_is_running() {
        let mut registry = Registry::new();
        let token = registered(&mut registry, 1);
        let (first, _) = registry.join(token, "first").unwrap();
        let (second, _) = registry.join(token, "second").unwrap();
        assert!(!registry.is_running(first.id()));
        exited(&mut registry, token);
        assert!(registry.next_due().is_some());
        assert!(registry.is_running(first.id()));
        assert!(!registry.is_running(second.id()));
        registry.callback_finished();
        assert!(!registry.is_running(first.id()));
    }

    #[test]
    fn at_the_end_every_callback_that_has_not_begun_comes_back() {
        let mut registry = Registry::new();
        let one = registered(&mut registry, 1);
        for callback in ["begun", "due"] {
            registry.join(one, callback).unwrap();
        }
        let two = registered(&mut registry, 2);
        registry.join(two, "waiting").unwrap();
        exited(&mut registry, one);
        assert!(registry.next_due().is_some());
        assert_eq!(registry.take_all(), ["due", "waiting"]);
        assert!(!registry.has_due());
        assert_eq!(registry.current(pid(1)), None);
    }
}
