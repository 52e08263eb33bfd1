//! [`Registry`]: which processes are registered, which callbacks wait for them,
//! and which are due.
//!
//! The registry is a pure state machine: no lock, no thread, no I/O. [`dispatch`](crate::engine::dispatch)
//! puts it behind a lock. [`driven`](crate::engine::driven) and [`driver`](crate::engine::driver)
//! stand between the callers and an [`ExitSource`](crate::source::ExitSource). The registry
//! drops no callback while it lives. It returns each one to the caller, who drops it outside the
//! lock.
//!
//! # The life of a slot
//!
//! ```text
//!            reserve            commit                 process_exited
//!   Vacant ──────────▶ Arming ──────────▶ Registered ─────────────────▶ Registered, exit known
//!     ▲                  │ release           │ neither `Held` nor with callbacks
//!     │                  ▼                   ▼
//!     └───────────────────────────────── Retired
//!                    release             (the source still has it armed)
//! ```
//!
//! # Invariants
//!
//! 1. A registration is `Held` or has callbacks queued. A transition that leaves it with
//!    neither also makes the slot `Retired`. That transition returns the token exactly once, so
//!    that the caller can disarm and release it.
//! 2. A registration whose exit is known and whose queue is not empty is due. Its
//!    `turn` is the number of one entry of `ready`. Any other registration has the
//!    turn 0. `due` counts the registrations that are due.
//! 3. An entry of `ready` whose number is not the turn of its registration is stale. When a
//!    callback that is taken out makes an entry stale, the stale entries are counted. If they
//!    outnumber the others by more than a few, they are swept out.
//! 4. `current` leads from a pid to the one registration that new callbacks for that pid join.
//!    A registration of a former process with the same pid is in no index. Only its token and
//!    the handles of its callbacks lead to it.
//! 5. `usages` has an entry only for a slot whose exit is known with its resource usage.
//!    [`release`](Registry::release) removes it. So a slot of a living process has no room for it,
//!    and if no source returns a usage, the map is empty and takes no memory.
//! 6. Each token has a generation of its own. So a token may outlive its registration without
//!    harm, although another process gets the slot.
//! 7. `tally` counts the slots that are `Registered`, and the callbacks in their queues.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU64;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::contract::callback::WatchHandle;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::resource_usage::ResourceUsage;
use crate::engine::cancellations::Cancellations;
use crate::engine::queue::Queue;
use crate::source::growth::room_for_more;
use crate::source::report::Report;
use crate::source::token::Token;

/// This many stale entries of `ready` are not worth a sweep.
const FEW_STALE: usize = 32;

/// `C` is the callback; the models and property tests use plain values.
#[derive(Debug)]
pub(crate) struct Registry<C> {
    /// Tells the handles of this registry from those of any other one.
    number: NonZeroU64,
    /// A slot is vacant if it is not in here.
    slots: Slab<Slot<C>>,
    /// The generation of the next token.
    generation: u32,
    current: FxHashMap<Pid, u32>,
    /// By the index of the slot. The box goes with the registration, so that a crowd's exits leave
    /// little behind.
    usages: FxHashMap<u32, Box<ResourceUsage>>,
    ready: VecDeque<Ready>,
    /// How many entries `ready` has been given.
    turns: u32,
    /// How many registrations are due.
    due: usize,
    running: Option<NonZeroU64>,
    cancelled: Cancellations,
    tally: Tally,
    /// Set by [`take_all`](Self::take_all).
    is_emptied: bool,
    /// How many entries of `ready` have been looked at.
    #[cfg(test)]
    inspected: std::cell::Cell<usize>,
}

/// An entry in the order of the registrations that are due.
#[derive(Clone, Copy, Debug)]
struct Ready {
    token: Token,
    turn: u32,
}

/// What a registry counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many registrations are in force.
    pub(crate) registrations: u64,
    /// How many callbacks have not begun to run.
    pub(crate) pending: u64,
    /// How many callbacks have begun to run since the registry was made.
    pub(crate) begun: u64,
}

/// How long a registration lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// Until `unregister_pid`, with or without callbacks.
    Held,
    /// Until its last callback has been run or taken out.
    Ephemeral,
}

/// The registration that a pid already has.
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
    Removed {
        callback: C,
        retired: Option<Token>,
    },
    Running,
    HasRun,
    /// See [`Unregistered::NotPending`](crate::Unregistered::NotPending).
    NotPending,
}

#[derive(Debug)]
struct Slot<C> {
    generation: u32,
    pid: Pid,
    state: State<C>,
}

#[derive(Debug)]
enum State<C> {
    /// The source has been asked; its report may come before its answer.
    Arming(Life),
    Registered(Registration<C>),
    /// The registration has ended. The caller disarms the token.
    Retired,
}

#[derive(Debug)]
struct Registration<C> {
    tenure: Tenure,
    life: Life,
    /// The number of its entry in `ready`, and 0 while the registration is not due.
    ///
    /// The numbers come round after 2³² entries. An entry does not stay that long: it
    /// is run, or becomes stale and is swept out.
    turn: u32,
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
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Registry {
            // Relaxed: the numbers need to differ, and publish nothing else.
            number: NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed))
                .expect("2^64 registries take longer than any process lives"),
            slots: Slab::new(),
            generation: 0,
            current: FxHashMap::default(),
            usages: FxHashMap::default(),
            ready: VecDeque::new(),
            turns: 0,
            due: 0,
            running: None,
            cancelled: Cancellations::new(),
            tally: Tally::default(),
            is_emptied: false,
            #[cfg(test)]
            inspected: std::cell::Cell::new(0),
        }
    }

    /// The registration that new callbacks for `pid` join.
    pub(crate) fn current(&self, pid: Pid) -> Option<Current> {
        let index = *self.current.get(&pid)?;
        let slot = &self.slots[index as usize];
        match &slot.state {
            State::Registered(registration) => Some(Current {
                token: Token::from_parts(index, slot.generation),
                tenure: registration.tenure,
            }),
            State::Arming(_) | State::Retired => None,
        }
    }

    /// Returns a token under which `pid` is armed. The token ends with [`commit`](Self::commit),
    /// [`commit_watch`](Self::commit_watch) or [`release`](Self::release).
    pub(crate) fn reserve(&mut self, pid: Pid) -> Token {
        let generation = self.generation;
        self.generation = generation.wrapping_add(1);
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(room_for_more(self.slots.len()));
        }
        let index = self.slots.insert(Slot {
            generation,
            pid,
            state: State::Arming(Life::NotReported),
        });
        let index = u32::try_from(index).expect("2^32 slots do not fit in memory");
        Token::from_parts(index, generation)
    }

    /// Makes an armed token the current registration of `pid`, in the place of `former`. The
    /// registration is `Held` and has no callbacks.
    ///
    /// Returns `Contended` if another registration has become current since. The caller then
    /// disarms and releases `token`.
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

    /// As [`commit`](Self::commit), but the registration ends with its last callback.
    /// `callback` is its first one. An `Err` returns it.
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
        let handle = WatchHandle::new_in_slot(Some(self.number), pid, token.index());
        let mut callbacks = Queue::new();
        callbacks.push(Waiting {
            id: handle.id(),
            callback,
        });
        let committed = self.enter(pid, token, former, Tenure::Ephemeral, callbacks);
        Ok((handle, committed))
    }

    /// Makes a slot vacant. The source must not have its token armed: `arm` has failed, or the
    /// token has been disarmed.
    pub(crate) fn release(&mut self, token: Token) {
        let released = self.slots.try_remove(token.index() as usize);
        if !self.usages.is_empty() {
            self.usages.remove(&token.index());
        }
        debug_assert!(released.is_some_and(|slot| {
            let is_its_own = slot.generation == token.generation();
            is_its_own && matches!(slot.state, State::Arming(_) | State::Retired)
        }));
    }

    /// Makes a registration last until `unregister_pid`. Returns `false` if the registration is
    /// gone, or is `Held` already.
    pub(crate) fn hold(&mut self, token: Token) -> bool {
        let Some((_, registration)) = self.registered(token) else {
            return false;
        };
        mem::replace(&mut registration.tenure, Tenure::Held) == Tenure::Ephemeral
    }

    /// Adds a callback to a registration. Returns its handle, and `true` if the callback is due
    /// at once. If the registration is gone, an `Err` returns the callback.
    pub(crate) fn join(&mut self, token: Token, callback: C) -> Result<(WatchHandle, bool), C> {
        let number = self.number;
        let Some((pid, registration)) = self.registered(token) else {
            return Err(callback);
        };
        let handle = WatchHandle::new_in_slot(Some(number), pid, token.index());
        let is_due = registration.has_exited();
        registration.callbacks.push(Waiting {
            id: handle.id(),
            callback,
        });
        self.tally.pending += 1;
        self.give_turn(token);
        Ok((handle, is_due))
    }

    /// Lets the registration of `pid` end with its last callback. If it has none, returns the
    /// token, which the caller disarms and releases.
    pub(crate) fn unregister_pid(&mut self, pid: Pid) -> Option<Token> {
        let Current { token, .. } = self.current(pid)?;
        self.end_tenure(token)
    }

    /// Takes a callback out, if it has not begun to run.
    pub(crate) fn cancel(&mut self, handle: WatchHandle) -> Cancelled<C> {
        if self.running == Some(handle.id()) {
            return Cancelled::Running;
        }
        let Some((token, callback)) = self.take_out(handle) else {
            return if self.has_run(handle) {
                Cancelled::HasRun
            } else {
                Cancelled::NotPending
            };
        };
        self.cancelled.note(handle.id());
        self.end_turn_if_not_due(token);
        Cancelled::Removed {
            callback,
            retired: self.retire_if_unheld(token),
        }
    }

    fn take_out(&mut self, handle: WatchHandle) -> Option<(Token, C)> {
        if handle.registry() != Some(self.number) {
            return None;
        }
        let slot = self.slots.get_mut(handle.slot() as usize)?;
        let State::Registered(registration) = &mut slot.state else {
            return None;
        };
        let waiting = registration
            .callbacks
            .remove(handle.id(), |waiting| waiting.id)?;
        self.tally.pending -= 1;
        let token = Token::from_parts(handle.slot(), slot.generation);
        Some((token, waiting.callback))
    }

    /// Returns `true` if a callback that is neither waiting nor running has run, as far
    /// as is known.
    fn has_run(&self, handle: WatchHandle) -> bool {
        let is_own = handle.registry() == Some(self.number);
        is_own && !self.is_emptied && self.cancelled.excludes(handle.id())
    }

    /// A source's report. Repeats and stale generations change nothing. Returns the pid if the
    /// exit was not known before.
    pub(crate) fn process_exited(&mut self, report: Report) -> Option<Pid> {
        let Report {
            token,
            status,
            usage,
        } = report;
        let slot = self.slots.get_mut(token.index() as usize)?;
        if slot.generation != token.generation() {
            return None;
        }
        let (State::Arming(life) | State::Registered(Registration { life, .. })) = &mut slot.state
        else {
            return None;
        };
        if *life != Life::NotReported {
            return None;
        }
        *life = Life::Exited(status);
        let pid = slot.pid;
        if let Some(usage) = usage {
            self.usages.insert(token.index(), usage);
        }
        self.give_turn(token);
        Some(pid)
    }

    /// The exit of a registration's process, as far as it is known. Returns `None` if the
    /// registration is gone.
    pub(crate) fn exit_of(&self, token: Token) -> Option<Option<Exit>> {
        let slot = self.slots.get(token.index() as usize)?;
        match &slot.state {
            State::Registered(registration) if slot.generation == token.generation() => {
                Some(match registration.life {
                    Life::NotReported => None,
                    Life::Exited(status) => Some(self.exit(token, slot.pid, status)),
                })
            }
            _ => None,
        }
    }

    /// Returns the next callback to run. It counts as running until
    /// [`callback_finished`](Self::callback_finished).
    ///
    /// Registrations take turns. So a registration that gets ever new callbacks does not keep
    /// the others waiting. The callbacks of one registration run in order (C4).
    pub(crate) fn next_due(&mut self) -> Option<Due<C>> {
        let token = self.next_turn()?;
        let (pid, registration) = self.registered(token)?;
        let Life::Exited(status) = registration.life else {
            return None;
        };
        let Waiting { id, callback } = registration.callbacks.pop()?;
        self.tally.pending -= 1;
        self.tally.begun += 1;
        self.give_turn(token);
        self.running = Some(id);
        Some(Due {
            exit: self.exit(token, pid, status),
            callback,
            retired: self.retire_if_unheld(token),
        })
    }

    fn exit(&self, token: Token, pid: Pid, status: Option<ExitStatus>) -> Exit {
        let usage = self.usages.get(&token.index()).map(|usage| **usage);
        Exit::new(pid, status).with_resource_usage(usage)
    }

    pub(crate) fn callback_finished(&mut self) {
        self.running = None;
    }

    pub(crate) fn is_running(&self, id: NonZeroU64) -> bool {
        self.running == Some(id)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn has_due(&self) -> bool {
        self.due != 0
    }

    /// Returns the tokens of all registrations. It is called at the end of the watcher, before
    /// [`take_all`](Self::take_all), which retires them.
    pub(crate) fn registered_tokens(&self) -> Vec<Token> {
        let tokens = self.slots.iter().filter_map(|(index, slot)| {
            let is_registered = matches!(slot.state, State::Registered(_));
            is_registered.then(|| Token::from_parts(index as u32, slot.generation))
        });
        tokens.collect()
    }

    /// Empties the registry at the end of the watcher. Returns every callback that has not begun
    /// to run.
    pub(crate) fn take_all(&mut self) -> Vec<C> {
        self.is_emptied = true;
        self.ready.clear();
        self.due = 0;
        self.current.clear();
        self.tally.registrations = 0;
        self.tally.pending = 0;
        let mut callbacks = Vec::new();
        for (_, slot) in &mut self.slots {
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
        // The former process's registration accepts no more callbacks. Those it has still run.
        let retired = former.and_then(|former| self.end_tenure(former));
        let slot = &mut self.slots[token.index() as usize];
        let life = match slot.state {
            State::Arming(life) => life,
            State::Registered(_) | State::Retired => Life::NotReported,
        };
        let is_due = life != Life::NotReported && !callbacks.is_empty();
        self.tally.registrations += 1;
        // A new registration has one callback, or none.
        self.tally.pending += u64::from(!callbacks.is_empty());
        slot.state = State::Registered(Registration {
            tenure,
            life,
            turn: 0,
            callbacks,
        });
        self.give_turn(token);
        self.current.insert(pid, token.index());
        Committed { is_due, retired }
    }

    fn end_tenure(&mut self, token: Token) -> Option<Token> {
        let (_, registration) = self.registered(token)?;
        registration.tenure = Tenure::Ephemeral;
        self.retire_if_unheld(token)
    }

    /// Upholds invariant 2 when a registration may have become due.
    fn give_turn(&mut self, token: Token) {
        let turn = self.turns.checked_add(1).unwrap_or(1);
        match self.registered(token) {
            Some((_, registration)) if registration.is_due() && registration.turn == 0 => {
                registration.turn = turn;
            }
            _ => return,
        }
        self.turns = turn;
        self.due += 1;
        self.ready.push_back(Ready { token, turn });
    }

    /// Upholds invariant 2 when a callback has been taken out, and invariant 3.
    ///
    /// The entry in `ready` is left where it is. Sweeping the stale entries out costs a
    /// look at each entry, and at least half of them have become stale since the last
    /// time: for each callback that is taken out this is two looks at most.
    fn end_turn_if_not_due(&mut self, token: Token) {
        match self.registered(token) {
            Some((_, registration)) if registration.turn != 0 && !registration.is_due() => {
                registration.turn = 0;
            }
            _ => return,
        }
        self.due -= 1;
        if self.ready.len() > 2 * self.due + FEW_STALE {
            let mut ready = mem::take(&mut self.ready);
            ready.retain(|ready| self.has_turn(*ready));
            self.ready = ready;
        }
    }

    /// Ends the turn of the registration that has waited longest, and returns its token.
    fn next_turn(&mut self) -> Option<Token> {
        loop {
            let ready = self.ready.pop_front()?;
            if self.has_turn(ready) {
                if let Some((_, registration)) = self.registered(ready.token) {
                    registration.turn = 0;
                }
                self.due -= 1;
                return Some(ready.token);
            }
        }
    }

    /// Returns `true` if the entry is not stale.
    fn has_turn(&self, Ready { token, turn }: Ready) -> bool {
        #[cfg(test)]
        self.inspected.set(self.inspected.get() + 1);
        match self.slots.get(token.index() as usize) {
            Some(Slot {
                generation,
                state: State::Registered(registration),
                ..
            }) => *generation == token.generation() && registration.turn == turn,
            _ => false,
        }
    }

    /// Upholds invariant 1.
    fn retire_if_unheld(&mut self, token: Token) -> Option<Token> {
        let (pid, registration) = self.registered(token)?;
        if registration.tenure == Tenure::Held || !registration.callbacks.is_empty() {
            return None;
        }
        if self.current.get(&pid) == Some(&token.index()) {
            self.current.remove(&pid);
        }
        self.slots[token.index() as usize].state = State::Retired;
        self.tally.registrations -= 1;
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
}

impl<C> Registration<C> {
    fn has_exited(&self) -> bool {
        self.life != Life::NotReported
    }

    fn is_due(&self) -> bool {
        self.has_exited() && !self.callbacks.is_empty()
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests;
