//! Entries, hints and the chains of a number.

use super::*;

fn pid(raw: i32) -> Pid {
    Pid::try_from(raw).unwrap()
}

fn token(index: u32) -> Token {
    Token::from_parts(index, 0)
}

fn hint(raw: i32, generation: u32) -> Hint {
    Hint {
        pid: raw,
        status: 0,
        generation,
    }
}

fn of_pid(table: &Table, raw: i32) -> Vec<u32> {
    let mut suspects = Vec::new();
    table.of_pid(pid(raw), &mut suspects);
    suspects
        .iter()
        .map(|suspect| suspect.token.index())
        .collect()
}

#[test]
fn a_numbers_entries_are_found_whichever_is_removed() {
    for removed in 0..3 {
        let mut table = Table::default();
        for index in 0..3 {
            table.insert(pid(7), token(index), Ticks::ZERO, 0);
        }
        assert_eq!(of_pid(&table, 7), [2, 1, 0]);
        table.remove(token(removed));
        let left: Vec<_> = [2, 1, 0].into_iter().filter(|at| *at != removed).collect();
        assert_eq!(of_pid(&table, 7), left);
        left.into_iter().for_each(|at| table.remove(token(at)));
        assert!(table.is_empty());
        assert!(table.by_pid.is_empty());
    }
}

#[test]
fn a_hint_from_before_the_arming_is_a_former_processs() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), Ticks::ZERO, 5);
    let mut suspects = Vec::new();
    for generation in [4, 5] {
        table.take_hint(hint(7, generation));
        table.take_hinted(&mut suspects);
        assert!(suspects.is_empty());
    }
    table.take_hint(hint(7, 6));
    table.take_hint(hint(7, 7));
    table.take_hinted(&mut suspects);
    assert_eq!(suspects.len(), 1);
}

#[test]
fn a_sweep_takes_what_is_neither_settled_nor_reported() {
    let mut table = Table::default();
    for index in 0..5 {
        table.insert(pid(10 + index as i32), token(index), Ticks::ZERO, 1);
    }
    let alive = table.suspect(token(1)).unwrap();
    table.settle(&alive, 2);
    assert!(table.report(token(3), None).is_some());
    assert!(table.report(token(3), None).is_none());
    let mut suspects = Vec::new();
    let cursor = table.unsettled(2, 0, 2, &mut suspects);
    assert_eq!(cursor, Some(3));
    assert_eq!(table.unsettled(2, 3, 9, &mut suspects), None);
    let tokens: Vec<_> = suspects.iter().map(|suspect| suspect.token).collect();
    assert_eq!(tokens, [token(0), token(2), token(4)]);
}

#[test]
fn the_armed_are_counted() {
    let mut table = Table::default();
    assert!(table.is_empty());
    for index in 0..3 {
        table.insert(pid(7), token(index), Ticks::ZERO, 0);
    }
    assert_eq!(table.armed(), 3);
    assert!(!table.is_empty());
    table.remove(token(1));
    // It is not armed any more.
    table.remove(token(1));
    assert_eq!(table.armed(), 2);
}

#[test]
fn what_the_handler_has_heard_makes_a_suspect() {
    let (mut table, hints) = (Table::default(), Hints::new());
    table.insert(pid(7), token(0), Ticks::ZERO, 0);
    assert!(hints.push(hint(7, 1)));
    assert!(hints.push(hint(8, 2)));
    table.hear(&hints);
    let mut suspects = Vec::new();
    table.take_hinted(&mut suspects);
    let [suspect] = &suspects[..] else {
        panic!("{suspects:?}");
    };
    assert_eq!(suspect.pid, pid(7));
    assert_eq!(suspect.hint, Some(ExitStatus::default()));
}

#[test]
fn an_entry_takes_no_more_than_five_words() {
    assert!(size_of::<Entry>() <= 5 * size_of::<u64>());
}

#[test]
fn an_entry_is_known_by_its_token_until_it_is_disarmed() {
    let mut table = Table::default();
    let at = Ticks::ZERO.and(3);
    table.insert(pid(7), token(0), at, 0);
    let identity = |is_reported, told| Identity {
        pid: pid(7),
        armed_at: at,
        is_reported,
        told,
    };
    assert_eq!(table.identity(token(0)), Some(identity(false, None)));
    let status = Some(ExitStatus::default());
    table.take_hint(hint(7, 1));
    assert_eq!(table.identity(token(0)), Some(identity(false, status)));
    let report = table.report(token(0), None).unwrap();
    assert_eq!(report.status, status, "the signal has said it");
    assert_eq!(table.identity(token(0)), Some(identity(true, status)));
    assert_eq!(table.identity(Token::from_parts(0, 1)), None);
    table.remove(token(0));
    assert_eq!(table.identity(token(0)), None);
}

#[test]
fn a_child_seen_alive_has_spent_its_hint_and_a_reported_one_stays_so() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), Ticks::ZERO, 0);
    table.take_hint(hint(7, 1));
    let hinted = table.suspect(token(0)).unwrap();
    assert!(hinted.hint.is_some());
    table.settle(&hinted, 1);
    let alive = table.suspect(token(0)).unwrap();
    assert!(alive.hint.is_none());
    assert!(table.report(token(0), None).is_some());
    table.settle(&hinted, 2);
    assert!(table.suspect(token(0)).is_none());
}

#[test]
fn a_hint_that_comes_while_its_child_is_looked_at_is_kept() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), Ticks::ZERO, 0);
    let suspect = table.suspect(token(0)).unwrap();
    table.take_hint(hint(7, 1));
    table.settle(&suspect, 1);
    let status = Some(ExitStatus::default());
    assert_eq!(table.suspect(token(0)).unwrap().hint, status);
    // And told, if the look found it reaped.
    assert_eq!(table.report(token(0), None).unwrap().status, status);
}

#[test]
fn a_report_is_kept_once() {
    let mut table = Table::default();
    table.insert(pid(7), token(0), Ticks::ZERO, 0);
    let report = Report {
        token: token(0),
        status: None,
    };
    table.keep_report(report.token, report.status);
    table.keep_report(report.token, report.status);
    let mut reports = Vec::new();
    table.take_reports(&mut reports);
    table.take_reports(&mut reports);
    assert_eq!(reports, [report]);
}
