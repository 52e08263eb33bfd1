//! The transitions of a [`Registry`], one by one; [`model`](super::model) has them at random.

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
    registry.process_exited(Report::new(token, None));
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
    assert!(size_of::<Slot<crate::contract::callback::ExitCallback>>() <= 7 * size_of::<u64>());
}

#[test]
fn room_is_kept_for_few_more_slots() {
    let mut registry = Registry::<&str>::new();
    for number in 1..=1_000 {
        registry.reserve(pid(number));
        let slots = registry.slots.len();
        let room = registry.slots.capacity() - slots;
        assert!(room <= slots / 16 + 8, "{room} beside {slots}");
    }
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
    assert!(registry.next_due().is_none());
    assert!(matches!(registry.cancel(handle), Cancelled::NotPending));
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
    assert!(matches!(registry.cancel(handle), Cancelled::HasRun));
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
    let exit = Exit::new(pid(1), Some(ExitStatus::from_raw(0)));
    registry.process_exited(Report::new(token, exit.status()));
    exited(&mut registry, token);
    let due = registry.next_due().unwrap();
    assert_eq!(due.exit, exit);
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
    // The registration still exists, so a late callback can join it.
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

#[test]
fn a_handle_of_another_registry_has_not_run_here() {
    let [mut one, mut other] = [Registry::new(), Registry::new()];
    let token = registered(&mut one, 1);
    let (handle, _) = one.join(token, "of the one").unwrap();
    // In the same slot, with the same generation.
    let token = registered(&mut other, 1);
    other.join(token, "of the other").unwrap();
    exited(&mut other, token);
    assert!(matches!(other.cancel(handle), Cancelled::NotPending));
    assert_eq!(due(&mut other), ["of the other"]);
    assert!(matches!(other.cancel(handle), Cancelled::NotPending));
    let strangers = WatchHandle::new_unique(pid(1));
    assert!(matches!(one.cancel(strangers), Cancelled::NotPending));
}

#[test]
fn what_the_end_has_taken_out_has_not_run() {
    let mut registry = Registry::new();
    let token = registered(&mut registry, 1);
    let (handle, _) = registry.join(token, "never").unwrap();
    assert_eq!(registry.take_all(), ["never"]);
    assert!(matches!(registry.cancel(handle), Cancelled::NotPending));
}

#[test]
fn a_registration_whose_callbacks_were_cancelled_takes_its_turn_behind_the_others() {
    let mut registry = Registry::new();
    let [one, two] = [1, 2].map(|number| registered(&mut registry, number));
    let (handle, _) = registry.join(one, "1a").unwrap();
    registry.join(two, "2").unwrap();
    exited(&mut registry, one);
    exited(&mut registry, two);
    assert!(matches!(registry.cancel(handle), Cancelled::Removed { .. }));
    registry.join(one, "1b").unwrap();
    assert_eq!(due(&mut registry), ["2", "1b"]);
    assert!(!registry.has_due());
}

/// The number of looks at entries of `ready` for each callback does not depend on their number.
/// There are no more entries than twice those that are due, and a few.
#[test]
fn cancelling_many_due_callbacks_takes_two_looks_for_each() {
    // Miri would take too long for so many.
    for many in if cfg!(miri) {
        [50, 400]
    } else {
        [5_000, 40_000]
    } {
        let mut registry = Registry::new();
        let mut handles = Vec::new();
        for number in 1..=many {
            let token = registered(&mut registry, number);
            handles.push(registry.join(token, "never").unwrap().0);
            exited(&mut registry, token);
        }
        // From the first, from the last, and from the middle.
        handles.sort_by_key(|handle| handle.id().get() % 7);
        for handle in &handles {
            assert!(matches!(
                registry.cancel(*handle),
                Cancelled::Removed { .. }
            ));
            assert!(registry.ready.len() <= 2 * registry.due + FEW_STALE);
        }
        assert!(!registry.has_due());
        assert!(
            registry.inspected.get() <= 2 * handles.len(),
            "{}",
            registry.inspected.get()
        );
    }
}

#[test]
fn callbacks_of_one_process_are_cancelled_wherever_they_stand() {
    let mut registry = Registry::new();
    let token = registered(&mut registry, 1);
    let handles: Vec<_> = (0..100)
        .map(|_| registry.join(token, "").unwrap().0)
        .collect();
    for handle in handles
        .iter()
        .rev()
        .step_by(2)
        .chain(handles.iter().step_by(2))
    {
        assert!(matches!(
            registry.cancel(*handle),
            Cancelled::Removed { .. }
        ));
    }
    exited(&mut registry, token);
    assert!(!registry.has_due());
}

#[test]
fn generations_come_round_and_the_next_holder_is_another() {
    let mut registry = Registry::new();
    let first = registered(&mut registry, 1);
    assert_eq!(registry.unregister_pid(pid(1)), Some(first));
    registry.release(first);
    registry.generation = u32::MAX;
    let last = registered(&mut registry, 1);
    assert_eq!(last, Token::from_parts(first.index(), u32::MAX));
    assert_eq!(registry.unregister_pid(pid(1)), Some(last));
    registry.release(last);
    let next = registered(&mut registry, 1);
    assert_eq!(next, Token::from_parts(first.index(), 0));
    // A report that was in flight is for the former process of the slot.
    registry.join(next, "next").unwrap();
    exited(&mut registry, last);
    assert_eq!(due(&mut registry), [""; 0]);
    exited(&mut registry, next);
    assert_eq!(due(&mut registry), ["next"]);
}

#[test]
fn turns_come_round_and_no_registration_that_is_due_has_the_turn_of_none() {
    let mut registry = Registry::new();
    let tokens = [1, 2, 3].map(|number| registered(&mut registry, number));
    registry.turns = u32::MAX - 1;
    let names = ["one", "two", "three"];
    let handles: Vec<_> = std::iter::zip(tokens, names)
        .map(|(token, name)| {
            let (handle, _) = registry.join(token, name).unwrap();
            exited(&mut registry, token);
            handle
        })
        .collect();
    assert_eq!(registry.turns, 2, "there is no turn 0");
    // The registration with the first turn after the wrap is cancelled, and is not due any more.
    assert!(matches!(
        registry.cancel(handles[1]),
        Cancelled::Removed {
            callback: "two",
            ..
        }
    ));
    assert_eq!(due(&mut registry), ["one", "three"]);
    assert!(!registry.has_due());
}

#[test]
fn a_usage_is_kept_for_late_callbacks_and_goes_with_the_registration() {
    let mut registry = Registry::new();
    let usage = Some(ResourceUsage {
        max_resident: 4096,
        ..ResourceUsage::default()
    });
    let token = registered(&mut registry, 1);
    registry.process_exited(Report::new(token, None).with_resource_usage(usage.map(Box::new)));
    for callback in ["first", "late"] {
        registry.join(token, callback).unwrap();
        let due = registry.next_due().unwrap();
        assert_eq!(due.exit.resource_usage(), usage);
        registry.callback_finished();
    }
    let known = registry.exit_of(token).unwrap().unwrap();
    assert_eq!(known.resource_usage(), usage);
    assert_eq!(registry.unregister_pid(pid(1)), Some(token));
    registry.release(token);
    assert!(registry.usages.is_empty());
}

/// The slot belongs to another process by now, or its exit is known already.
#[test]
fn a_stale_report_leaves_no_usage() {
    let mut registry = Registry::new();
    let stale = |token| {
        let usage = ResourceUsage {
            max_resident: 4096,
            ..ResourceUsage::default()
        };
        Report::new(token, None).with_resource_usage(Some(Box::new(usage)))
    };
    let former = registered(&mut registry, 1);
    assert_eq!(registry.unregister_pid(pid(1)), Some(former));
    registry.release(former);
    let token = registered(&mut registry, 2);
    assert_eq!(token.index(), former.index());
    assert_eq!(registry.process_exited(stale(former)), None);
    exited(&mut registry, token);
    assert_eq!(registry.process_exited(stale(token)), None);
    let known = registry.exit_of(token).unwrap().unwrap();
    assert_eq!(known.resource_usage(), None);
}
