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
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);
    /// Longer than any pause.
    const AGE: Duration = Duration::from_secs(3600);

    fn chunk(found: usize, cursor: Option<u32>) -> Chunk {
        Chunk {
            looks: 64,
            found,
            cost: MILLISECOND,
            cursor,
        }
    }

    /// The sweep that is due.
    fn sweep(plan: &mut Plan, now: Instant, generation: u32) -> Sweep {
        match plan.next(now, generation) {
            Step::GoOn(sweep) => sweep,
            other => panic!("{other:?}"),
        }
    }

    fn rest(plan: &mut Plan, now: Instant, generation: u32) -> Duration {
        match plan.next(now, generation) {
            Step::Rest(rest) => rest,
            other => panic!("{other:?}"),
        }
    }

    fn is_never_asked() -> bool {
        panic!("the handler has been looked at")
    }

    #[test]
    fn without_a_signal_it_rests_until_a_heartbeat_is_due() {
        let start = Instant::now();
        let mut plan = Plan::new(start);
        let until_heartbeat = rest(&mut plan, start, 0);
        assert!(!until_heartbeat.is_zero());
        let due = start + until_heartbeat;
        assert_eq!(plan.next(due, 0), Step::BeginHeartbeat);
    }

    #[test]
    fn after_a_signal_it_asks_for_any_zombie_until_the_generation_is_settled() {
        let start = Instant::now();
        let mut plan = Plan::new(start);
        let now = start + rest(&mut plan, start, 1);
        assert_eq!(plan.next(now, 1), Step::AskForAnyZombie);
        // An exit has been reported; the question is put again, later.
        plan.was_asked(now, MILLISECOND);
        let now = now + rest(&mut plan, now, 1);
        assert_eq!(plan.next(now, 1), Step::AskForAnyZombie);
        plan.was_asked(now, MILLISECOND);
        plan.is_settled(1);
        assert!(matches!(plan.next(now, 1), Step::Rest(_)));
        assert_eq!(plan.next(now + AGE, 1), Step::BeginHeartbeat);
        // The next signal.
        plan.next(now, 2);
        assert_eq!(plan.next(now + AGE, 2), Step::AskForAnyZombie);
    }

    #[test]
    fn a_signal_makes_the_next_heartbeat_come_soon() {
        let mut now = Instant::now();
        let mut plan = Plan::new(now);
        for beat in 0..10 {
            now += rest(&mut plan, now, beat);
            plan.begin_heartbeat(beat + 1, 1);
            let sweep = sweep(&mut plan, now, beat + 1);
            plan.was_swept(sweep, &chunk(0, None), now, || false);
        }
        let slow = rest(&mut plan, now, 10);
        plan.next(now, 11);
        plan.is_settled(11);
        assert!(rest(&mut plan, now, 11) < slow);
    }

    #[test]
    fn a_blinded_one_sweeps_from_the_first_child_to_the_last_and_is_settled() {
        let now = Instant::now();
        let mut plan = Plan::new(now);
        plan.is_blinded(3);
        let first = sweep(&mut plan, now, 4);
        assert_eq!((first.generation, first.cursor), (3, 0));
        plan.was_swept(first, &chunk(0, Some(64)), now, is_never_asked);
        let second = sweep(&mut plan, now, 4);
        assert_eq!((second.generation, second.cursor), (3, 64));
        plan.was_swept(second, &chunk(0, None), now, is_never_asked);
        // Generation 3 is settled, and 4 has begun meanwhile.
        plan.next(now, 4);
        assert_eq!(plan.next(now + AGE, 3), Step::BeginHeartbeat);
        assert_eq!(plan.next(now + AGE, 4), Step::AskForAnyZombie);
    }

    #[test]
    fn a_sweep_ends_when_nothing_is_armed_any_more() {
        let now = Instant::now();
        let mut plan = Plan::new(now);
        plan.is_blinded(0);
        plan.is_idle();
        assert_eq!(plan.next(now + AGE, 0), Step::BeginHeartbeat);
    }

    #[test]
    fn a_sweep_rests_when_its_budget_is_spent_on_looks_in_vain() {
        let now = Instant::now();
        let expensive = |found| Chunk {
            cost: MILLISECOND * 1000,
            ..chunk(found, Some(64))
        };
        for (found, rests) in [(0, true), (63, true), (64, false)] {
            let mut plan = Plan::new(now);
            plan.is_blinded(0);
            let sweep = sweep(&mut plan, now, 0);
            plan.was_swept(sweep, &expensive(found), now, is_never_asked);
            let next = plan.next(now, 0);
            assert_eq!(matches!(next, Step::Rest(_)), rests, "{found} found");
        }
    }

    #[test]
    fn a_looks_share_of_the_cost_is_in_vain_unless_it_finds_an_exit() {
        let cost_in_vain = |looks, found| {
            let chunk = Chunk {
                looks,
                ..chunk(found, None)
            };
            chunk.cost_in_vain()
        };
        assert_eq!(cost_in_vain(64, 0), MILLISECOND);
        assert_eq!(cost_in_vain(4, 1), MILLISECOND * 3 / 4);
        assert_eq!(cost_in_vain(4, 4), Duration::ZERO);
        assert_eq!(cost_in_vain(0, 0), MILLISECOND, "there was none to look at");
    }

    /// How long a heartbeat of two chunks lets the one after the next wait.
    fn pause_after(found: [usize; 2], is_replaced: impl FnOnce() -> bool) -> Duration {
        let mut now = Instant::now();
        let mut plan = Plan::new(now);
        plan.begin_heartbeat(1, 100);
        let first = sweep(&mut plan, now, 1);
        plan.was_swept(first, &chunk(found[0], Some(64)), now, is_never_asked);
        let second = sweep(&mut plan, now, 1);
        plan.was_swept(second, &chunk(found[1], None), now, is_replaced);
        now += rest(&mut plan, now, 1);
        plan.begin_heartbeat(2, 100);
        let last = sweep(&mut plan, now, 2);
        plan.was_swept(last, &chunk(0, None), now, || false);
        rest(&mut plan, now, 2)
    }

    #[test]
    fn heartbeats_slow_down_unless_one_finds_an_exit_or_the_handler_replaced() {
        let slow = pause_after([0, 0], || false);
        for found in [[1, 0], [0, 1], [1, 1]] {
            assert!(pause_after(found, is_never_asked) < slow, "{found:?}");
        }
        assert!(pause_after([0, 0], || true) < slow);
    }

    #[test]
    fn a_heartbeat_costs_what_all_its_chunks_cost() {
        let mut now = Instant::now();
        let mut ended = now;
        let mut plan = Plan::new(now);
        for beat in 1..=6 {
            plan.begin_heartbeat(beat, 100);
            for cursor in [Some(64), None] {
                // They are more than a burst.
                if let Step::Rest(rest) = plan.next(now, beat) {
                    now += rest;
                }
                let sweep = sweep(&mut plan, now, beat);
                let chunk = Chunk {
                    cost: MILLISECOND * 4,
                    ..chunk(0, cursor)
                };
                plan.was_swept(sweep, &chunk, now, || false);
            }
            ended = now;
            now += rest(&mut plan, now, beat);
        }
        // A signal quickens the next one, to the busy share of that cost.
        plan.next(ended, 7);
        plan.is_settled(7);
        assert_eq!(rest(&mut plan, ended, 7), MILLISECOND * 8 * 200);
    }

    #[test]
    fn heartbeats_take_turns_in_checking_identities_and_others_check_none() {
        let now = Instant::now();
        let mut plan = Plan::new(now);
        let token = Token::from_parts(7, 0);
        plan.is_blinded(0);
        assert!(!sweep(&mut plan, now, 0).checks_identity(token));
        let checked = (1..=4).filter(|beat| {
            plan.begin_heartbeat(*beat, 100);
            sweep(&mut plan, now, *beat).checks_identity(token)
        });
        assert_eq!(checked.count(), 2);
    }
}
