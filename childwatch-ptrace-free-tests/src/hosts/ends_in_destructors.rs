//! A program whose threads have a watcher each, which a destructor drops as the thread ends: a
//! C++ program with `thread_local` objects, or a C library with private data for each thread.
//!
//! std's own thread-local values are gone by then. `std::thread::current` panics, and a panic
//! in such a destructor ends the process.

use std::sync::mpsc;
use std::thread;

use childwatch_core::{PidWatcher, Unregistered};

use super::life::Life;
use super::plain::exits_with;
use crate::backend::stage::Stage;
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild};
use crate::kit::probe::{Gate, Probe};
use crate::kit::sys::endings;

pub(super) const HOST: Host = Host {
    name: "ends-in-destructors",
    is: "a program whose threads end what they have in destructors, a watcher too",
    needs: &[],
    exceptions: &[],
    live,
};

const THREADS: i32 = 3;

fn live(life: &Life<'_>) {
    life.goes_on(|around| {
        let codes = (0..THREADS).map(|code| {
            let own = around.watcher.map(|_| Own::new(life.stage()));
            let (tell, told) = mpsc::channel();
            let ends = thread::spawn(move || {
                endings::at_the_end_of_this_thread(move || {
                    own.into_iter().for_each(Own::end);
                    tell.send(exits_with(code)).expect("the program waits");
                });
            });
            ends.join().expect("the thread ends");
            told.try_recv().ok()
        });
        codes.collect::<Vec<_>>()
    });
}

/// What a thread has of its own.
struct Own {
    watcher: Box<dyn PidWatcher>,
    children: [Box<dyn GatedChild>; 3],
}

impl Own {
    fn new(stage: &Stage<'_>) -> Self {
        Own {
            watcher: stage.watcher(),
            children: [stage.child(), stage.child(), stage.child()],
        }
    }

    /// Uses the watcher in each way that has to know the calling thread, and drops it.
    fn end(self) {
        let Own { watcher, children } = self;
        let [mut first, mut second, third] = children;

        let probe = Probe::new();
        watcher.watch(first.pid(), probe.callback()).unwrap();
        first.die(End::Code(3));
        assert_eq!(probe.ran_once().status(), first.reap());

        let (slow, gate) = (Probe::new(), Gate::new());
        let waits = slow.callback_then({
            let gate = gate.clone();
            move |_| gate.pass()
        });
        let runs = watcher.watch(second.pid(), waits).unwrap();
        second.die(End::Code(4));
        gate.wait_until_reached();
        let opener = thread::spawn(move || gate.open());
        assert_eq!(watcher.unregister_callback(runs), Unregistered::HasRun);
        opener.join().expect("the gate is opened");
        assert_eq!(slow.ran_once().status(), second.reap());

        let never = Probe::new();
        watcher.watch(third.pid(), never.callback()).unwrap();
        drop(watcher);
        assert!(never.captures_are_dropped());
    }
}
