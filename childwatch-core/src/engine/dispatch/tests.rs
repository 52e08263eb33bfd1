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

/// The thread then drops the source, and no handler of the program runs on it meanwhile.
#[test]
fn after_a_callback_that_ends_the_watcher_the_thread_has_its_own_mask() {
    let mut context = context();
    let former = SignalMask::block(libc::SIGWINCH);
    let own = SignalMask::current().unwrap().blocked();
    let dispatch = Arc::new(Dispatch::new());
    let token = registered(&dispatch);
    let ended = Arc::clone(&dispatch);
    joined(&dispatch, token, Box::new(move |_| drop(ended.stop())));
    let Round { next, .. } = dispatch.run_round(&mut context, &mut exited(token), disarms_nothing);
    let after = SignalMask::current().unwrap().blocked();
    former.set().unwrap();
    assert_eq!(next, Next::Stop);
    assert_eq!(after, own);
}

/// The thread lets the signal through at once that the callback has left pending: no other thread can
/// take it.
#[test]
fn a_panic_leaves_the_next_callback_the_creators_mask_and_no_wait() {
    // Nothing is done for it, so it can be raised anywhere.
    const LEFT: libc::c_int = libc::SIGWINCH;
    let former = SignalMask::block(libc::SIGIO);
    let creators = former.blocked();
    let mut context = Context {
        origin: Origin::here(),
        callback_mask: Some(CallbackMask::awaiting(LEFT, former)),
    };
    let dispatch = Dispatch::new();
    let token = registered(&dispatch);
    let panics = |_| {
        SignalMask::block(LEFT);
        SignalMask::raise(LEFT);
        panic!("this callback is meant to panic");
    };
    joined(&dispatch, token, Box::new(panics));
    let (sender, receiver) = mpsc::channel();
    let tells = move |_| {
        let blocked = SignalMask::current().unwrap().blocked();
        sender.send(blocked).unwrap();
    };
    joined(&dispatch, token, Box::new(tells));
    dispatch.run_round(&mut context, &mut exited(token), disarms_nothing);
    former.set().unwrap();
    assert_eq!(receiver.recv().unwrap(), creators);
}

fn context_awaiting(signal: libc::c_int) -> Context {
    let creator = SignalMask::current().unwrap();
    Context {
        origin: Origin::here(),
        callback_mask: Some(CallbackMask::awaiting(signal, creator)),
    }
}

#[test]
fn a_round_without_callbacks_waits_for_no_signal() {
    let dispatch = Dispatch::new();
    let mut context = context_awaiting(libc::SIGVTALRM);
    SignalMask::stays_pending(libc::SIGVTALRM, || {
        let round = dispatch.run_round(&mut context, &mut Vec::new(), disarms_nothing);
        assert_eq!(round.callbacks, 0);
    });
    assert!(!context.callback_mask.unwrap().is_left());
}

/// Runs a round whose thread waits for the program first. Meanwhile `act` runs on this thread. Returns
/// `true` if no callback has run, and the mask.
fn runs_none_after_a_wait(
    dispatch: &Dispatch,
    token: Token,
    signal: libc::c_int,
    act: impl FnOnce(),
) -> (bool, CallbackMask) {
    thread::scope(|scope| {
        let round = scope.spawn(move || {
            let mut ran = 0;
            let mut context = context_awaiting(signal);
            SignalMask::stays_pending(signal, || {
                let round = dispatch.run_round(&mut context, &mut exited(token), disarms_nothing);
                ran = round.callbacks;
            });
            (ran == 0, context.callback_mask.unwrap())
        });
        // A round that did not wait would be over.
        while dispatch.lock().round.is_none() && !round.is_finished() {
            thread::yield_now();
        }
        act();
        round.join().unwrap()
    })
}

/// The wait lasts for half a second, and this thread may get no processor for as long.
const TRIES: usize = 5;

#[test]
fn a_callback_can_be_taken_out_while_the_thread_waits_for_the_program() {
    let is_taken_out = (0..TRIES).any(|_| {
        let dispatch = Dispatch::new();
        let token = registered(&dispatch);
        let added = joined(&dispatch, token, Box::new(|_| ()));
        let (runs_none, _) = runs_none_after_a_wait(&dispatch, token, libc::SIGXFSZ, || {
            drop(dispatch.cancel(added.handle));
        });
        runs_none
    });
    assert!(is_taken_out, "the callback had begun each time");
}

/// Otherwise the drop of the watcher would last as long.
#[test]
fn the_end_of_the_watcher_ends_the_wait_for_the_program() {
    let is_ended = (0..TRIES).any(|_| {
        let dispatch = Dispatch::new();
        let token = registered(&dispatch);
        joined(&dispatch, token, Box::new(|_| ()));
        let (runs_none, mask) =
            runs_none_after_a_wait(&dispatch, token, libc::SIGRTMIN() + 3, || {
                drop(dispatch.stop());
            });
        runs_none && !mask.has_waited_in_vain()
    });
    assert!(is_ended, "the wait went on each time");
}

/// If the wake was refused, the drop of a watcher waits for the end of the round.
#[test]
fn the_end_of_a_round_that_ran_no_callback_is_told_to_all_who_wait() {
    let is_seen = (0..TRIES).any(|_| {
        let dispatch = Dispatch::new();
        let token = registered(&dispatch);
        let added = joined(&dispatch, token, Box::new(|_| ()));
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let (runs_none, _) = runs_none_after_a_wait(&dispatch, token, libc::SIGPROF, || {
                drop(dispatch.cancel(added.handle));
                scope.spawn(|| {
                    dispatch.wait_until_idle();
                    tell.send(()).unwrap();
                });
            });
            let is_told = told.recv_timeout(Duration::from_secs(30)).is_ok();
            if !is_told {
                // So that the test ends.
                dispatch.finished.notify_all();
            }
            assert!(is_told, "a thread waits for a round that has ended");
            runs_none
        })
    });
    assert!(is_seen, "the callback had begun each time");
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
