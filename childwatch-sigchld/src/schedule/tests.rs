//! When sweeps and heartbeats come, without a clock and without children.

use super::*;

const START: Duration = Duration::from_secs(1_000);
const MS: Duration = Duration::from_millis(1);

fn schedule() -> Schedule {
    Schedule::new(START)
}

fn chunk(looks: usize, found: usize, cost: Duration, cursor: Option<u32>) -> Chunk {
    Chunk {
        looks,
        found,
        cost,
        cursor,
    }
}

/// Makes a sweep of one chunk, which begins and ends at `now`.
fn sweep(schedule: &mut Schedule, now: Duration, epoch: u32, found: usize, cost: Duration) {
    assert_eq!(schedule.begin_chunk(now, epoch), 0);
    schedule.end_chunk(now, &chunk(10, found, cost, None));
}

#[test]
fn without_signals_a_heartbeat_is_due_every_second() {
    let mut schedule = schedule();
    assert_eq!(schedule.rest(START, 0), HEARTBEAT);
    let beat = START + HEARTBEAT;
    assert_eq!(schedule.rest(beat - MS, 0), MS);
    assert_eq!(schedule.rest(beat, 0), Duration::ZERO);
    sweep(&mut schedule, beat, 0, 0, MS / 10);
    assert_eq!(schedule.rest(beat, 0), HEARTBEAT);
}

#[test]
fn a_costly_heartbeat_comes_less_often() {
    let mut schedule = schedule();
    let beat = START + HEARTBEAT;
    sweep(&mut schedule, beat, 0, 0, MS * 5);
    assert_eq!(schedule.rest(beat, 0), MS * 5_000);
}

/// If the program has reset `SIGCHLD`, one heartbeat finds every child that has exited since the
/// last one. Few children may be left then, and they are to be found in time too.
#[test]
fn a_heartbeat_that_finds_many_exits_postpones_no_other() {
    let mut schedule = schedule();
    let beat = START + HEARTBEAT;
    sweep(&mut schedule, beat, 0, 10, MS * 5);
    assert_eq!(schedule.rest(beat, 0), HEARTBEAT);
    let beat = beat + HEARTBEAT;
    sweep(&mut schedule, beat, 0, 5, MS * 6);
    assert_eq!(
        schedule.rest(beat, 0),
        MS * 3_000,
        "half of the looks were in vain"
    );
}

#[test]
fn after_a_pause_a_signal_is_answered_at_once_and_then_within_the_share() {
    let mut schedule = schedule();
    assert_eq!(schedule.rest(START, 1), Duration::ZERO);
    sweep(&mut schedule, START, 1, 0, MS);
    assert_eq!(schedule.rest(START, 1), HEARTBEAT, "it is answered");
    assert_eq!(schedule.rest(START, 2), MS * 20);
    assert_eq!(schedule.rest(START + MS * 20, 2), Duration::ZERO);
}

#[test]
fn looks_that_find_an_exit_are_not_charged() {
    let mut schedule = schedule();
    sweep(&mut schedule, START, 1, 10, MS);
    assert_eq!(schedule.rest(START, 2), Duration::ZERO);
    sweep(&mut schedule, START, 2, 5, MS);
    assert_eq!(schedule.rest(START, 3), MS * 10);
    // Also if there was nothing to look at.
    assert_eq!(schedule.begin_chunk(START, 3), 0);
    schedule.end_chunk(START, &chunk(0, 0, MS, None));
    assert_eq!(schedule.rest(START, 4), MS * 20);
}

#[test]
fn a_sweep_that_has_begun_goes_on_without_a_rest_and_answers_its_first_epoch() {
    let mut schedule = schedule();
    assert_eq!(schedule.begin_chunk(START, 1), 0);
    schedule.end_chunk(START, &chunk(64, 0, MS, Some(70)));
    assert_eq!(schedule.rest(START, 2), Duration::ZERO);
    assert_eq!(schedule.begin_chunk(START, 2), 70);
    schedule.end_chunk(START, &chunk(64, 0, MS, None));
    // The exits of epoch 2 may lie behind its cursor.
    assert_eq!(schedule.rest(START, 2), MS * 40);
    assert_eq!(schedule.rest(START, 1), HEARTBEAT);
}

/// Signals that keep coming postpone no heartbeat.
#[test]
fn a_heartbeat_comes_in_its_time_whatever_the_signals_do() {
    let mut schedule = schedule();
    let (mut now, mut epoch) = (START, 0);
    let mut heartbeats = 0;
    while now < START + HEARTBEAT * 10 {
        epoch += 1;
        let rest = schedule.rest(now, epoch);
        now += rest;
        schedule.begin_chunk(now, epoch);
        heartbeats += usize::from(schedule.sweep.is_some_and(|sweep| sweep.is_heartbeat));
        schedule.end_chunk(now, &chunk(10, 0, MS / 10, None));
        now += MS;
    }
    assert_eq!(heartbeats, 10);
}

#[test]
fn a_heartbeat_is_due_though_a_sweep_must_wait() {
    let mut schedule = schedule();
    sweep(&mut schedule, START, 1, 0, HEARTBEAT);
    assert_eq!(schedule.rest(START, 2), HEARTBEAT);
}

#[test]
fn heartbeats_compare_the_starts_of_all_children_in_turn() {
    let mut schedule = schedule();
    let token = |index| Token::from_parts(index, 0);
    let mut checked = Vec::new();
    let mut now = START;
    for beat in 1..=5 {
        now += HEARTBEAT;
        assert_eq!(schedule.begin_chunk(now, 0), 0, "it looks at all");
        let mut of_this_beat = 0;
        for index in 0..40 {
            if schedule.take_check(token(index)) {
                checked.push(index);
                of_this_beat += 1;
            }
        }
        assert!(of_this_beat <= CHECKS, "beat {beat}");
        schedule.end_chunk(now, &chunk(40, 0, MS, None));
        now = schedule.next_heartbeat.unwrap() - HEARTBEAT;
    }
    let twice: Vec<_> = (0..40).chain(0..32).collect();
    assert_eq!(checked, twice);
}

#[test]
fn a_sweep_for_signals_compares_no_starts() {
    let mut schedule = schedule();
    schedule.begin_chunk(START, 1);
    assert!(!schedule.take_check(Token::from_parts(0, 0)));
    schedule.end_chunk(START, &chunk(1, 0, MS, None));
    assert!(
        !schedule.take_check(Token::from_parts(0, 0)),
        "none has begun"
    );
}

#[test]
fn with_nothing_armed_the_sweep_ends() {
    let mut schedule = schedule();
    schedule.begin_chunk(START, 1);
    schedule.end_chunk(START, &chunk(64, 0, MS, Some(70)));
    let later = START + HEARTBEAT * 60;
    schedule.mark_idle(later);
    assert_eq!(schedule.rest(later, 0), HEARTBEAT);
    assert_eq!(schedule.begin_chunk(later, 2), 0, "from the first child on");
}

#[test]
fn without_heartbeats_only_signals_make_a_sweep() {
    let mut schedule = Schedule::without_heartbeat(START);
    let later = START + HEARTBEAT * 60;
    assert_eq!(schedule.rest(later, 0), Duration::MAX);
    assert_eq!(schedule.rest(later, 1), Duration::ZERO);
    sweep(&mut schedule, later, 1, 0, MS);
    assert!(!schedule.take_check(Token::from_parts(0, 0)));
    assert_eq!(schedule.rest(later, 1), Duration::MAX);
    assert_eq!(schedule.rest(later, 2), MS * 20);
    schedule.mark_idle(later);
    assert_eq!(schedule.rest(later, 1), Duration::MAX);
}

#[test]
fn an_epoch_after_the_last_number_is_not_answered() {
    let mut schedule = schedule();
    sweep(&mut schedule, START, u32::MAX, 10, MS);
    assert_eq!(schedule.rest(START, u32::MAX), HEARTBEAT);
    assert_eq!(schedule.rest(START, 0), Duration::ZERO);
}
