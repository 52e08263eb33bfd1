//! Entries, hints and the chains of a pid.

use super::*;

fn pid(raw: i32) -> Pid {
    Pid::try_from(raw).unwrap()
}

fn token(index: u32) -> Token {
    Token::from_parts(index, 0)
}

fn hint(raw: i32, status: i32, epoch: u32) -> Hint {
    Hint {
        pid: raw,
        status,
        epoch,
    }
}

fn ended(raw: i32) -> Option<Ended> {
    status(raw).map(|status| Ended::new(status, None))
}

fn status(raw: i32) -> Option<ExitStatus> {
    Some(ExitStatus::from_raw(raw))
}

/// The entries of a pid that get a hint.
fn of_pid(table: &mut Table, raw: i32) -> Vec<u32> {
    let mut candidates = Vec::new();
    table.take_hint(hint(raw, 0, 1));
    table.take_hinted(&mut candidates);
    let tokens = candidates.iter().map(|candidate| candidate.token.index());
    tokens.collect()
}

fn hinted_status(table: &Table, index: u32) -> HintedStatus {
    table.candidate(token(index)).unwrap().hinted_status
}

#[test]
fn a_pids_entries_are_found_whichever_is_removed() {
    for removed in 0..3 {
        let mut table = Table::default();
        for index in 0..3 {
            table.insert(pid(7), token(index), 0);
        }
        assert_eq!(of_pid(&mut table, 7), [2, 1, 0]);
        table.remove(token(removed));
        let left: Vec<_> = [2, 1, 0].into_iter().filter(|at| *at != removed).collect();
        assert_eq!(of_pid(&mut table, 7), left);
        left.into_iter().for_each(|at| table.remove(token(at)));
        assert!(table.is_empty());
        assert!(table.by_pid.is_empty());
        assert!(table.older.is_empty());
    }
}

#[test]
fn a_hint_from_before_the_arming_is_a_former_processs() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), 5);
    let mut candidates = Vec::new();
    for epoch in [4, 5] {
        table.take_hint(hint(7, 0, epoch));
        table.take_hinted(&mut candidates);
        assert!(candidates.is_empty());
        assert_eq!(hinted_status(&table, 0), HintedStatus::Nothing);
    }
    table.take_hint(hint(7, 0, 6));
    table.take_hinted(&mut candidates);
    assert_eq!(candidates.len(), 1);
}

#[test]
fn epochs_are_compared_across_their_end() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), u32::MAX);
    table.take_hint(hint(7, 0, u32::MAX));
    assert_eq!(hinted_status(&table, 0), HintedStatus::Nothing);
    table.take_hint(hint(7, 0, 0));
    assert_eq!(hinted_status(&table, 0), HintedStatus::Status(0));
}

#[test]
fn what_was_heard_stays_and_two_statuses_conflict() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), 0);
    table.take_hint(hint(7, 9, 1));
    let mut candidates = Vec::new();
    table.take_hinted(&mut candidates);
    assert_eq!(candidates[0].hinted_status, HintedStatus::Status(9));
    assert_eq!(
        hinted_status(&table, 0),
        HintedStatus::Status(9),
        "after it was taken too"
    );
    table.take_hint(hint(7, 9, 2));
    assert_eq!(
        hinted_status(&table, 0),
        HintedStatus::Status(9),
        "the same once more"
    );
    table.take_hint(hint(7, 256, 3));
    assert_eq!(hinted_status(&table, 0), HintedStatus::Conflicting);
    table.take_hint(hint(7, 9, 4));
    assert_eq!(hinted_status(&table, 0), HintedStatus::Conflicting);
    assert!(!HintedStatus::Conflicting.agrees_with(ExitStatus::from_raw(9)));
    let report = table.report_gone(token(0)).unwrap();
    assert_eq!(report.status, None);
}

#[test]
fn a_sweep_takes_what_is_not_reported_a_chunk_at_a_time() {
    let mut table = Table::default();
    for index in 0..5 {
        table.insert(pid(10 + index as i32), token(index), 1);
    }
    assert!(table.report_ended(token(3), None).is_some());
    assert!(table.report_ended(token(3), None).is_none());
    assert!(table.report_gone(token(3)).is_none());
    let mut candidates = Vec::new();
    assert_eq!(table.unreported_from(0, 2, &mut candidates), Some(2));
    assert_eq!(table.unreported_from(2, 9, &mut candidates), None);
    let tokens: Vec<_> = candidates.iter().map(|candidate| candidate.token).collect();
    assert_eq!(tokens, [token(0), token(1), token(2), token(4)]);
    for index in 0..5 {
        assert!(table.has_unreported());
        if index % 2 == 0 {
            table.remove(token(index));
        } else {
            table.report_gone(token(index));
        }
    }
    assert!(!table.has_unreported());
    assert!(!table.is_empty());
}

#[test]
fn a_chunk_counts_children_and_not_places() {
    let mut table = Table::default();
    for index in [1, 4, 5, 9] {
        table.insert(pid(10 + index as i32), token(index), 0);
    }
    assert!(table.report_ended(token(4), None).is_some());
    let mut candidates = Vec::new();
    assert_eq!(table.unreported_from(0, 2, &mut candidates), Some(6));
    candidates.clear();
    assert_eq!(table.unreported_from(6, 2, &mut candidates), None);
    assert_eq!(candidates[0].token, token(9));
    // The slot is at the cursor, and has another entry by then.
    table.remove(token(9));
    table.insert(pid(7), Token::from_parts(6, 1), 0);
    candidates.clear();
    assert_eq!(table.unreported_from(6, 1, &mut candidates), Some(7));
    assert_eq!(candidates[0].token, Token::from_parts(6, 1));
}

#[test]
fn a_report_has_the_zombies_status_or_what_was_heard_of_a_child_that_is_gone() {
    let mut table = Table::default();
    for index in 0..4 {
        table.insert(pid(7), token(index), 0);
    }
    table.take_hint(hint(7, 9, 1));
    let ended = table.report_ended(token(0), ended(256)).unwrap();
    assert_eq!(ended.status, status(256));
    let unknown = table.report_ended(token(1), None).unwrap();
    assert_eq!(unknown.status, None, "a doubt is not resolved by the hint");
    let gone = table.report_gone(token(2)).unwrap();
    assert_eq!(gone.status, status(9));

    let was_gone = |index| match table.known(token(index)) {
        Some(Known::Reported { was_gone, .. }) => Some(was_gone),
        _ => None,
    };
    assert_eq!((was_gone(0), was_gone(2)), (Some(false), Some(true)));
    assert_eq!(was_gone(3), None);
    assert!(table.known(token(4)).is_none());
}

#[test]
fn a_reported_or_disarmed_entry_is_not_looked_at_again() {
    let mut table = Table::default();
    for index in 0..3 {
        table.insert(pid(7), token(index), 0);
    }
    table.take_hint(hint(7, 0, 1));
    assert!(table.report_ended(token(0), None).is_some());
    table.remove(token(1));
    let mut candidates = Vec::new();
    table.take_hinted(&mut candidates);
    assert_eq!(candidates.len(), 1);
    assert_eq!(candidates[0].token, token(2));
    table.take_hint(hint(7, 0, 2));
    candidates.clear();
    table.take_hinted(&mut candidates);
    assert_eq!(candidates.len(), 1);
}

#[test]
fn the_moment_of_arming_is_set_once_it_is_known() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), 0);
    let armed_at = |table: &Table| table.candidate(token(0)).unwrap().armed_at;
    assert_eq!(armed_at(&table), Ticks::NEVER);
    table.set_armed_at(token(0), Ticks::from_raw(5));
    assert_eq!(armed_at(&table), Ticks::from_raw(5));
}

#[test]
fn kept_reports_are_handed_over_once() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), 0);
    let report = table.report_gone(token(0));
    table.push_report(report);
    table.push_report(None);
    let mut reports = Vec::new();
    table.take_reports(&mut reports);
    table.take_reports(&mut reports);
    assert_eq!(reports.len(), 1);
}

#[test]
fn a_usage_stays_with_a_reported_entry_and_goes_with_it() {
    let mut table = Table::default();
    let usage = Some(Box::new(ResourceUsage::default()));
    let zombie = Ended::new(ExitStatus::from_raw(256), usage.clone());
    table.insert(pid(7), token(0), 0);
    let report = table.report_ended(token(0), Some(zombie.clone())).unwrap();
    assert_eq!(report.usage, usage);
    let Some(Known::Reported { ended, .. }) = table.known(token(0)) else {
        panic!("it is reported");
    };
    assert_eq!(ended, Some(zombie));
    table.remove(token(0));
    assert!(table.usages.is_empty());
}

#[test]
fn the_usage_of_a_zombie_that_may_be_another_process_is_not_known() {
    let mut table = Table::default();
    let zombie = Ended::new(
        ExitStatus::from_raw(9),
        Some(Box::new(ResourceUsage::default())),
    );
    table.insert(pid(7), token(0), 0);
    table.note_alive(token(0));
    assert_eq!(
        hinted_status(&table, 0).trust(zombie.clone()),
        zombie,
        "no hint yet"
    );
    table.take_hint(hint(7, 9, 1));
    assert_eq!(hinted_status(&table, 0).trust(zombie.clone()), zombie);
    table.note_alive(token(0));
    table.take_hint(hint(7, 9, 2));
    assert!(hinted_status(&table, 0).agrees_with(zombie.status));
    let without = Ended::new(zombie.status, None);
    assert_eq!(hinted_status(&table, 0).trust(zombie.clone()), without);
}

/// An epoch has 32 bits, and a thread may have read its epoch long before it has the lock.
#[test]
fn signals_are_counted_across_the_end_of_the_epochs_and_never_twice() {
    let mut table = Table::new(u32::MAX - 1);
    for (epoch, total) in [(u32::MAX, 1), (2, 4), (u32::MAX, 4), (2, 4), (3, 5)] {
        table.signals.count_to(epoch);
        assert_eq!(table.signals.total(), total);
    }
}
