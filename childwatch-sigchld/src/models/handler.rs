//! What the handler leaves reaches the watcher's thread: the protocol of `source`, without
//! its system calls.

use std::sync::Arc;

use childwatch_core::interleavings;
use loom::thread;

use super::bell::used_bell;
use crate::handler::Heard;
use crate::hints::{Hints, PLACES, Reader};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};

fn heard(is_listening: bool) -> Arc<Heard> {
    let heard = Heard {
        hints: Hints::new(),
        generation: AtomicU32::new(0),
        is_listening: AtomicBool::new(false),
        bell: used_bell(),
    };
    // As for the bell: a sequentially consistent store, which a first value is not.
    heard.generation.store(0, Ordering::SeqCst);
    heard.is_listening.store(is_listening, Ordering::SeqCst);
    Arc::new(heard)
}

/// Runs the handler on a thread of its own, for a child that has exited with 0.
fn begin_signal(heard: &Arc<Heard>, pid: i32) -> thread::JoinHandle<()> {
    let heard = Arc::clone(heard);
    thread::spawn(move || heard.signal(pid, libc::CLD_EXITED, 0))
}

/// Two handlers at once: one that is interrupted before it has filled its place holds up
/// the other's hint, and rings for both when it goes on.
#[test]
fn every_hint_is_read_before_the_thread_sleeps_for_good() {
    interleavings::preempted(2, || {
        let heard = heard(true);
        let signals = [begin_signal(&heard, 1), begin_signal(&heard, 2)];
        let mut reader = Reader::default();
        let mut pids = Vec::new();
        while pids.len() < 2 {
            let rings = heard.bell.rings();
            let before = pids.len();
            pids.extend(std::iter::from_fn(|| heard.hints.pop(&mut reader)).map(|hint| hint.pid));
            if pids.len() == before {
                heard.bell.listen(rings, None).unwrap();
            }
        }
        pids.sort_unstable();
        assert_eq!(pids, [1, 2]);
        for signal in signals {
            signal.join().unwrap();
        }
    });
}

/// A hint may find no place; its generation comes through all the same, and has every
/// child looked at.
#[test]
fn a_signal_whose_hint_is_dropped_is_heard_by_its_generation() {
    interleavings::preempted(2, || {
        let heard = heard(true);
        for pid in 1..=PLACES as i32 {
            heard.signal(pid, libc::CLD_EXITED, 0);
        }
        let generation = heard.generation.load(Ordering::SeqCst);
        let signals = [11, 12].map(|pid| begin_signal(&heard, pid));
        loop {
            let rings = heard.bell.rings();
            if heard.generation.load(Ordering::SeqCst) == generation + 2 {
                break;
            }
            heard.bell.listen(rings, None).unwrap();
        }
        for signal in signals {
            signal.join().unwrap();
        }
    });
}

/// `arm` listens first and looks at the child then; the kernel makes a zombie first and
/// runs the handler then. So one of the two tells of the exit.
#[test]
fn an_exit_while_the_first_child_is_armed_is_seen_or_heard() {
    interleavings::all(|| {
        let heard = heard(false);
        let is_zombie = Arc::new(AtomicBool::new(false));
        is_zombie.store(false, Ordering::SeqCst);
        let exiting = thread::spawn({
            let (heard, is_zombie) = (Arc::clone(&heard), Arc::clone(&is_zombie));
            move || {
                is_zombie.store(true, Ordering::SeqCst);
                heard.signal(1, libc::CLD_EXITED, 0);
            }
        });
        let generation = heard.generation.load(Ordering::SeqCst);
        heard.is_listening.store(true, Ordering::SeqCst);
        let mut is_known = is_zombie.load(Ordering::SeqCst);
        while !is_known {
            let rings = heard.bell.rings();
            if heard.generation.load(Ordering::SeqCst) == generation {
                heard.bell.listen(rings, None).unwrap();
            } else {
                is_known = is_zombie.load(Ordering::SeqCst);
                assert!(is_known, "the generation comes after the zombie");
            }
        }
        exiting.join().unwrap();
    });
}
