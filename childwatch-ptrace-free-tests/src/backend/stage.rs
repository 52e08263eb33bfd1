//! [`Stage`]: what a case takes its watchers and children from.

use childwatch_core::PidWatcher;

use crate::backend::under_test::BackendUnderTest;
use crate::kit::child::{End, GatedChild};
use crate::kit::deadline;
use crate::kit::probe::{Gate, Probe};
use crate::kit::sys::threads;

/// The backend under test, and the children it is to watch.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    backend: &'a dyn BackendUnderTest,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stage").field(&self.backend.name()).finish()
    }
}

impl<'a> Stage<'a> {
    /// A stage for one case.
    #[must_use]
    pub fn new(backend: &'a dyn BackendUnderTest) -> Self {
        Stage { backend }
    }

    /// The backend under test.
    #[must_use]
    pub fn backend(&self) -> &'a dyn BackendUnderTest {
        self.backend
    }

    /// A new watcher.
    ///
    /// # Panics
    ///
    /// When the backend refuses.
    #[must_use]
    pub fn watcher(&self) -> Box<dyn PidWatcher> {
        self.backend.watcher().expect("a watcher")
    }

    /// A new watcher that returns resource usages.
    ///
    /// # Panics
    ///
    /// When the backend refuses.
    #[must_use]
    pub fn watcher_with_usage(&self) -> Box<dyn PidWatcher> {
        self.backend
            .watcher_with_usage()
            .expect("a watcher that returns usages")
    }

    /// A new watcher that tells reapings.
    ///
    /// # Panics
    ///
    /// When the backend refuses.
    #[must_use]
    pub fn watcher_until_reaped(&self) -> Box<dyn PidWatcher> {
        self.backend
            .watcher_until_reaped()
            .expect("a watcher that tells reapings")
    }

    /// A live child, waiting at its gate.
    #[must_use]
    pub fn child(&self) -> Box<dyn GatedChild> {
        self.backend.nursery().spawn()
    }

    /// Spawns a new, live child with the pid of `child`, which must have been reaped.
    ///
    /// The new child starts in a later unit of start times than everything before, so
    /// that a backend which goes by those can tell the two apart.
    #[must_use]
    pub fn successor(&self, child: &dyn GatedChild) -> Box<dyn GatedChild> {
        deadline::await_next(self.backend.unit_of_start_times());
        self.backend.nursery().spawn_as(child.pid())
    }

    /// Gives the watcher the time in which it would do what it must not do: it has to
    /// report two more exits. This stands for the pause with which one would otherwise
    /// wait for nothing to happen.
    ///
    /// The callbacks that have begun before have returned then, because they run one at a
    /// time. But the exits of different processes are reported in any order (C4). So a
    /// case must not conclude that an earlier exit has been reported: what has to happen
    /// is waited for.
    ///
    /// # Panics
    ///
    /// When the watcher does not report an exit.
    pub fn settle(&self, watcher: &dyn PidWatcher) {
        for _ in 0..2 {
            self.settling(watcher).end();
        }
    }

    /// Begins what [`settle`](Self::settle) does: watches a process. A case that then refuses
    /// system calls registers nothing afterwards, unless the backend promises that it can.
    ///
    /// # Panics
    ///
    /// When the watcher refuses the process.
    #[must_use]
    pub fn settling(&self, watcher: &dyn PidWatcher) -> Settling {
        let last = self.child();
        let probe = Probe::new();
        watcher
            .watch(last.pid(), probe.callback())
            .expect("watching the child that settles");
        Settling { last, probe }
    }

    /// Waits until every other thread of this process sleeps: those of watchers wait for
    /// their sources then.
    ///
    /// # Panics
    ///
    /// When a thread does not become idle.
    pub fn rest(&self) {
        let own = threads::thread_id();
        deadline::until("the watcher's thread rests", || {
            let mut others = threads::threads()
                .into_iter()
                .filter(|thread| *thread != own);
            others.all(threads::is_asleep)
        });
    }

    /// Brings the watcher's thread into a callback that stays at a gate, until
    /// the returned value is released or dropped.
    ///
    /// # Panics
    ///
    /// When the watcher does not report an exit.
    #[must_use]
    pub fn occupy(&self, watcher: &dyn PidWatcher) -> Occupied {
        let child = self.child();
        let gate = Gate::new();
        let probe = Probe::new();
        watcher
            .watch(
                child.pid(),
                probe.callback_then({
                    let gate = gate.clone();
                    move |_| gate.pass()
                }),
            )
            .expect("watching the child whose callback is slow");
        child.die(End::Code(0));
        gate.wait_until_reached();
        Occupied {
            gate,
            _child: child,
        }
    }
}

/// A process that is watched, and whose exit ends a [`Stage::settling`].
#[derive(Debug)]
pub struct Settling {
    last: Box<dyn GatedChild>,
    probe: Probe,
}

impl Settling {
    /// Lets the process exit, and waits until the watcher reports it.
    ///
    /// # Panics
    ///
    /// When the watcher does not report the exit.
    pub fn end(mut self) {
        self.last.die(End::Code(0));
        self.probe.ran_once();
        self.last.reap();
    }
}

/// The watcher's thread stands at a gate inside a callback.
#[derive(Debug)]
pub struct Occupied {
    gate: Gate,
    _child: Box<dyn GatedChild>,
}

impl Occupied {
    /// Lets the thread go on.
    pub fn release(self) {}
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.gate.open();
    }
}
