//! What a [`Dispatch`] runs, drops and waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use super::*;
use crate::engine::signal_mask::SignalMask;

fn pid() -> Pid {
    Pid::try_from(1).unwrap()
}

fn context() -> Context {
    Context {
        origin: Origin::here(),
        callback_mask: Some(CallbackMask::of_creator(SignalMask::current().unwrap())),
    }
}

/// A registration that is held.
fn registered(dispatch: &Dispatch) -> Token {
    let token = dispatch.reserve(pid());
    dispatch.commit(pid(), token, None).unwrap();
    token
}

fn joined(dispatch: &Dispatch, token: Token, callback: ExitCallback) -> AddedCallback {
    dispatch
        .join(token, callback)
        .unwrap_or_else(|_| panic!("the registration is held"))
}

fn exited(token: Token) -> Vec<Report> {
    vec![Report::new(token, None)]
}

fn disarms_nothing(_: Token) {
    panic!("the registration is held");
}

#[test]
fn a_place_that_is_given_back_is_the_next_ones() {
    let dispatch = Dispatch::new();
    let first = dispatch.reserve(pid());
    dispatch.release(first);
    let second = dispatch.reserve(pid());
    assert_eq!(second.index(), first.index());
    assert_ne!(second, first);
}

#[test]
fn only_a_late_callback_has_the_thread_woken_and_only_between_rounds() {
    let dispatch = Arc::new(Dispatch::new());
    let token = registered(&dispatch);
    let in_round = Arc::clone(&dispatch);
    let (sender, receiver) = mpsc::channel();
    let early = joined(
        &dispatch,
        token,
        Box::new(move |_| {
            let late = joined(&in_round, token, Box::new(|_| {}));
            sender.send(late.needs_wake).unwrap();
        }),
    );
    assert!(!early.needs_wake, "its exit will wake the thread");
    let Round { next, .. } =
        dispatch.run_round(&mut context(), &mut exited(token), disarms_nothing);
    assert_eq!(next, Next::AskSource);
    assert_eq!(receiver.recv(), Ok(false), "the round takes it along");

    assert!(joined(&dispatch, token, Box::new(|_| {})).needs_wake);
}

#[test]
fn callbacks_that_make_callbacks_keep_the_source_unasked_for_one_round_only() {
    fn again(dispatch: &Arc<Dispatch>, token: Token) {
        let next = Arc::clone(dispatch);
        joined(dispatch, token, Box::new(move |_| again(&next, token)));
    }
    let dispatch = Arc::new(Dispatch::new());
    let token = registered(&dispatch);
    again(&dispatch, token);
    for mut reports in [exited(token), Vec::new()] {
        let Round { next, .. } = dispatch.run_round(&mut context(), &mut reports, disarms_nothing);
        assert_eq!(next, Next::AskSourceAndReturn);
    }
    drop(dispatch.stop());
    let Round { next, .. } = dispatch.run_round(&mut context(), &mut Vec::new(), disarms_nothing);
    assert_eq!(next, Next::Stop);
}

#[test]
fn a_wait_that_is_over_is_not_counted() {
    let dispatch = Arc::new(Dispatch::new());
    let token = registered(&dispatch);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let running = joined(
        &dispatch,
        token,
        Box::new(move |_| {
            reached.send(()).unwrap();
            gate.recv().unwrap();
        }),
    );
    thread::scope(|scope| {
        scope.spawn(|| dispatch.run_round(&mut context(), &mut exited(token), disarms_nothing));
        at_gate.recv().unwrap();
        scope.spawn(|| dispatch.wait_until_finished(running.handle));
        scope.spawn(|| dispatch.wait_until_idle());
        while dispatch.lock().waiting < 2 {
            thread::yield_now();
        }
        open.send(()).unwrap();
    });
    assert_eq!(dispatch.lock().waiting, 0);
}

/// A callback drops the watcher, while a canceller waits for that callback and another one
/// disarms.
#[test]
fn the_end_of_a_disarming_is_told_to_all_who_wait() {
    let dispatch = Arc::new(Dispatch::new());
    let held = registered(&dispatch);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let running = joined(
        &dispatch,
        held,
        Box::new(move |_| {
            reached.send(()).unwrap();
            let _ = gate.recv();
        }),
    );
    let other = Pid::try_from(2).unwrap();
    let token = dispatch.reserve(other);
    let Ok((taken_out, _)) = dispatch.commit_watch(other, token, None, Box::new(|_| {})) else {
        panic!("nothing else is registered");
    };
    let (tell, told) = mpsc::channel();
    let until_waiting = |count| {
        while dispatch.waiting() < count {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| dispatch.run_round(&mut context(), &mut exited(held), disarms_nothing));
        at_gate.recv().unwrap();
        drop(dispatch.cancel(taken_out.handle));
        // The kernel wakes the thread first that has waited longest.
        scope.spawn(|| dispatch.wait_until_finished(running.handle));
        until_waiting(1);
        scope.spawn(|| {
            dispatch.wait_until_disarmed();
            tell.send(()).unwrap();
        });
        until_waiting(2);
        dispatch.disarmed(token);
        let is_told = told.recv_timeout(Duration::from_secs(60));
        drop(open);
        assert!(is_told.is_ok());
    });
}

#[test]
fn the_thread_is_idle_when_its_callback_has_returned() {
    let dispatch = Arc::new(Dispatch::new());
    let token = registered(&dispatch);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let (sender, receiver) = mpsc::channel();
    joined(
        &dispatch,
        token,
        Box::new(move |_| {
            reached.send(()).unwrap();
            // The test's thread opens it, and is about to wait.
            let _ = gate.recv();
            sender.send(()).unwrap();
        }),
    );
    thread::scope(|scope| {
        scope.spawn(|| dispatch.run_round(&mut context(), &mut exited(token), disarms_nothing));
        at_gate.recv().unwrap();
        assert!(dispatch.stop().is_empty());
        scope.spawn(|| {
            while dispatch.lock().waiting == 0 {
                thread::yield_now();
            }
            drop(open);
        });
        dispatch.wait_until_idle();
        assert_eq!(receiver.try_recv(), Ok(()));
    });
}

/// A source that panics ends the thread in the middle of a round. The drop may wait for the
/// end of that round, because the source has refused to wake the thread.
#[test]
fn the_thread_is_idle_when_a_panic_has_ended_it() {
    let dispatch = Arc::new(Dispatch::new());
    let token = registered(&dispatch);
    joined(&dispatch, token, Box::new(|_| {}));
    assert_eq!(dispatch.unregister_pid(pid()), None);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let watchers = thread::spawn({
        let dispatch = Arc::clone(&dispatch);
        move || {
            let disarm = |_| {
                reached.send(()).unwrap();
                let _ = gate.recv();
                std::panic::resume_unwind(Box::new("a source's panic"));
            };
            let round =
                AssertUnwindSafe(|| dispatch.run_round(&mut context(), &mut exited(token), disarm));
            assert!(catch_unwind(round).is_err());
            assert!(dispatch.fail().is_empty());
        }
    });
    at_gate.recv().unwrap();
    assert!(dispatch.stop().is_empty());
    let (sender, receiver) = mpsc::channel();
    let dropping = thread::spawn({
        let dispatch = Arc::clone(&dispatch);
        move || {
            dispatch.wait_until_idle();
            sender.send(()).unwrap();
        }
    });
    while dispatch.waiting() == 0 {
        thread::yield_now();
    }
    drop(open);
    watchers.join().unwrap();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Ok(()));
    dropping.join().unwrap();
}

#[test]
fn a_pause_lasts_unless_the_watcher_stops() {
    let dispatch = Dispatch::new();
    let (start, time) = (Instant::now(), Duration::from_millis(5));
    dispatch.pause(time);
    assert!(start.elapsed() >= time);

    let for_ever = Duration::from_secs(1 << 20);
    thread::scope(|scope| {
        scope.spawn(|| dispatch.pause(for_ever));
        assert!(dispatch.stop().is_empty());
    });
    dispatch.pause(for_ever);
}

#[test]
fn a_pause_that_has_begun_ends_with_a_late_callback() {
    const LONG: Duration = Duration::from_secs(60);
    let dispatch = Arc::new(Dispatch::new());
    let token = registered(&dispatch);
    let Round { next, .. } =
        dispatch.run_round(&mut context(), &mut exited(token), disarms_nothing);
    assert_eq!(next, Next::AskSource);
    let (sender, receiver) = mpsc::channel();
    let pausing = Arc::clone(&dispatch);
    thread::spawn(move || {
        sender
            .send(std::fs::read_link("/proc/thread-self").unwrap())
            .unwrap();
        pausing.pause(4 * LONG);
        sender.send(std::path::PathBuf::new()).unwrap();
    });
    let own = receiver.recv().unwrap();
    while !dispatch.lock().is_pausing {
        thread::yield_now();
    }
    // The lock is free, so the thread sleeps in its pause.
    let stat = std::path::Path::new("/proc").join(own).join("stat");
    let is_asleep = || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('S')
    };
    while !is_asleep() {
        thread::yield_now();
    }
    joined(&dispatch, token, Box::new(|_| {}));
    assert!(receiver.recv_timeout(LONG).is_ok());
}

#[test]
fn callbacks_have_the_creators_mask_and_the_thread_has_its_own_after_them() {
    let former = SignalMask::block(libc::SIGUSR2);
    let creator_mask = SignalMask::current().unwrap();
    former.set().unwrap();
    // The thread's own mask, which a source may have changed.
    let former = SignalMask::block(libc::SIGWINCH);
    let own = SignalMask::current().unwrap().blocked();
    let dispatch = Dispatch::new();
    let token = registered(&dispatch);
    let (sender, receiver) = mpsc::channel();
    for _ in 0..2 {
        let sender = sender.clone();
        let callback = move |_| {
            sender
                .send(SignalMask::current().unwrap().blocked())
                .unwrap()
        };
        joined(&dispatch, token, Box::new(callback));
    }
    let mut context = Context {
        origin: Origin::here(),
        callback_mask: Some(CallbackMask::of_creator(creator_mask)),
    };
    let Round { next, .. } = dispatch.run_round(&mut context, &mut exited(token), disarms_nothing);
    let after = SignalMask::current().unwrap().blocked();
    former.set().unwrap();
    assert_eq!(next, Next::AskSource);
    assert_eq!(after, own);
    for _ in 0..2 {
        assert_eq!(receiver.recv().unwrap(), creator_mask.blocked());
    }
}

#[test]
fn a_watcher_that_has_stopped_refuses_and_keeps_no_callback() {
    let dispatch = Dispatch::new();
    let armed = dispatch.reserve(pid());
    let other = dispatch.reserve(pid());
    let held = registered(&dispatch);
    assert!(dispatch.check().is_ok());
    drop(dispatch.fail());
    assert!(matches!(dispatch.check(), Err(WatchError::Stopped)));
    let reserved = dispatch.reserve_unless_current(pid());
    assert!(matches!(reserved, Err(WatchError::Stopped)));
    assert!(dispatch.commit(pid(), armed, None).is_err());
    let refused = dispatch.commit_watch(pid(), other, None, Box::new(|_| {}));
    assert!(refused.is_err());
    assert!(dispatch.join(held, Box::new(|_| {})).is_err());
    assert!(dispatch.join_held(pid(), Box::new(|_| {})).is_err());
}
