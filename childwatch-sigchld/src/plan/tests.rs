//! What a [`Plan`] has done next, by a clock of the test's own.

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
