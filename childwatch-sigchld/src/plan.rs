//! [`Plan`]: what the watcher's thread does next, by what it has seen so far.
//!
//! It decides and keeps count; it asks the kernel for nothing. The steps are those of
//! [`source`](crate::source).

use std::time::{Duration, Instant};

use childwatch_core::Token;

use crate::pace::{Budget, Heartbeat, IdentityChecks, Question};

#[derive(Debug)]
pub(crate) struct Plan {
    /// Every exit of this generation and before has been reported.
    settled: u32,
    sweep: Option<Sweep>,
    question: Question,
    budget: Budget,
    heartbeat: Heartbeat,
    beats: usize,
}

/// What to do next, once the hints have been followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, for so long or until the bell rings.
    Rest(Duration),
    /// Step 2.
    AskForAnyZombie,
    /// Step 3, one chunk of it.
    GoOn(Sweep),
    /// Step 4.
    BeginHeartbeat,
}

/// A look at each child that is not settled for a generation, under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// What it settles.
    pub(crate) generation: u32,
    /// Where it goes on.
    pub(crate) cursor: u32,
    cost: Duration,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A zombie that has been dealt with stands before the others.
    Blinded,
    Heartbeat {
        checks: IdentityChecks,
        has_found: bool,
    },
}

/// What a chunk of a sweep has come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) looks: usize,
    /// Exits, which nothing had told of.
    pub(crate) found: usize,
    pub(crate) cost: Duration,
    /// Where the sweep goes on, if it does.
    pub(crate) cursor: Option<u32>,
}

impl Plan {
    pub(crate) fn new(now: Instant) -> Self {
        Plan {
            settled: 0,
            sweep: None,
            question: Question::new(now),
            budget: Budget::full(now),
            heartbeat: Heartbeat::new(now),
            beats: 0,
        }
    }

    /// With something armed, and `generation` begun by the last signal.
    pub(crate) fn next(&mut self, now: Instant, generation: u32) -> Step {
        let (rest, step) = if let Some(sweep) = self.sweep {
            (self.budget.wait(now), Step::GoOn(sweep))
        } else if generation != self.settled {
            self.heartbeat.quicken(now);
            (self.question.rest(now), Step::AskForAnyZombie)
        } else {
            let due = self.heartbeat.due();
            (due.saturating_duration_since(now), Step::BeginHeartbeat)
        };
        if rest.is_zero() {
            step
        } else {
            Step::Rest(rest)
        }
    }

    /// Nothing is armed any more.
    pub(crate) fn is_idle(&mut self) {
        self.sweep = None;
    }

    /// The question for any zombie has been answered.
    pub(crate) fn was_asked(&mut self, now: Instant, cost: Duration) {
        self.question.was_asked(now, cost);
    }

    /// There was no zombie, after `generation` had begun.
    pub(crate) fn is_settled(&mut self, generation: u32) {
        self.settled = generation;
    }

    /// The answer was one that stands in the way of others.
    pub(crate) fn is_blinded(&mut self, generation: u32) {
        self.sweep = Some(Sweep::new(generation, Cause::Blinded));
    }

    /// A heartbeat over so many children; `generation` is its own, so that none of them
    /// is settled.
    pub(crate) fn begin_heartbeat(&mut self, generation: u32, armed: usize) {
        self.beats = self.beats.wrapping_add(1);
        let cause = Cause::Heartbeat {
            checks: IdentityChecks::of_beat(self.beats, armed),
            has_found: false,
        };
        self.sweep = Some(Sweep::new(generation, cause));
    }

    /// A chunk of this sweep has been looked at. When a heartbeat ends that has found
    /// nothing, it is asked whether the handler has been replaced.
    pub(crate) fn was_swept(
        &mut self,
        mut sweep: Sweep,
        chunk: &Chunk,
        now: Instant,
        is_replaced: impl FnOnce() -> bool,
    ) {
        self.budget.spend(chunk.cost_in_vain());
        sweep.cost += chunk.cost;
        if let Cause::Heartbeat { has_found, .. } = &mut sweep.cause {
            *has_found |= chunk.found > 0;
        }
        self.sweep = chunk.cursor.map(|cursor| Sweep { cursor, ..sweep });
        if self.sweep.is_none() {
            self.finish(&sweep, now, is_replaced);
        }
    }

    fn finish(&mut self, sweep: &Sweep, now: Instant, is_replaced: impl FnOnce() -> bool) {
        self.settled = sweep.generation;
        let Cause::Heartbeat { has_found, .. } = sweep.cause else {
            return;
        };
        // Signals do not come, or not to us: look again soon.
        if has_found || is_replaced() {
            self.heartbeat.is_needed(now);
        } else {
            self.heartbeat.found_nothing(now, sweep.cost);
        }
    }
}

impl Sweep {
    fn new(generation: u32, cause: Cause) -> Self {
        Sweep {
            generation,
            cursor: 0,
            cost: Duration::ZERO,
            cause,
        }
    }

    /// Whether a child's start is looked at though nothing gives rise to doubt.
    pub(crate) fn checks_identity(&self, token: Token) -> bool {
        match self.cause {
            Cause::Blinded => false,
            Cause::Heartbeat { checks, .. } => checks.includes(token),
        }
    }
}

impl Chunk {
    /// What finds an exit is worth its cost, and there is only one look for each.
    fn cost_in_vain(&self) -> Duration {
        let looks = self.looks.max(1) as u32;
        self.cost * looks.saturating_sub(self.found as u32) / looks
    }
}

#[cfg(test)]
mod tests;
