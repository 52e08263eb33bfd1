//! [`Worker`]: a thread with its children and its dice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use childwatch_core::PidWatcher;
use rustix::process::Signal;

use super::child::{Child, Owed};
use super::life::TheWatcher;
use super::shared::Shared;
use super::sleeper::Sleeper;
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::sys::threads;

/// Steps between two looks at what is owed.
const STEPS_A_LOOK: usize = 256;
/// Looks at what is owed between two lulls.
const LOOKS_A_LULL: usize = 8;
/// So many children exit in a lull, one after another.
const SINGLE_EXITS: usize = 8;
/// One of so many steps with a living child makes a watcher and drops it.
const STEPS_A_WATCHER: usize = 4_000;
/// So many children that watcher is given.
const VISITED: usize = 16;
/// Numbers that stay registered cost something until they come back: so they must come back.
const FEW_NUMBERS: usize = 1 << 16;

pub(super) struct Worker<'a> {
    shared: &'a Shared,
    watcher: &'a Arc<TheWatcher>,
    dice: fastrand::Rng,
    /// A place for each child.
    beds: Vec<Option<Child>>,
    owed: VecDeque<Owed>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared, watcher: &'a Arc<TheWatcher>, index: usize) -> Self {
        let beds = (index..shared.order.children)
            .step_by(shared.order.threads)
            .map(|_| None)
            .collect();
        Worker {
            shared,
            watcher,
            dice: fastrand::Rng::with_seed(shared.order.seed.wrapping_add(index as u64)),
            beds,
            owed: VecDeque::new(),
        }
    }

    pub(super) fn work(mut self) {
        if self.beds.is_empty() {
            return;
        }
        let mut is_over = false;
        while !is_over {
            for _ in 0..LOOKS_A_LULL {
                for _ in 0..STEPS_A_LOOK {
                    let bed = self.dice.usize(..self.beds.len());
                    self.step(bed);
                }
                self.look_at_owed();
            }
            is_over = self.lull();
        }
        self.finish();
    }

    /// Waits until every exit so far has been told, while no thread lets a child exit. Then one
    /// thread goes on alone. Returns `true` in the last lull.
    fn lull(&mut self) -> bool {
        let Shared {
            lull,
            is_last_lull,
            is_over,
            order,
            tally,
            ..
        } = self.shared;
        if lull.wait().is_leader() {
            is_last_lull.store(is_over.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        let all_are_told = deadline::holds_within(order.patience, || {
            self.look_at_owed();
            let mut dying = self.beds.iter().flatten().filter(|bed| bed.is_let_go());
            self.owed.is_empty() && dying.all(Child::is_told)
        });
        if !all_are_told {
            let words = "an exit before a lull is not told in it".to_owned();
            tally.fault(|tally| &tally.lost, words);
        }
        if lull.wait().is_leader() {
            self.one_by_one();
        }
        lull.wait();
        is_last_lull.load(Ordering::SeqCst)
    }

    /// Children exit, and callbacks come late, while nothing else happens.
    fn one_by_one(&mut self) {
        let Shared { order, tally, .. } = self.shared;
        let TheWatcher(watcher) = &**self.watcher;
        let from = self.dice.usize(..self.beds.len());
        let (after, before) = self.beds.split_at_mut(from);
        let awaited = before.iter_mut().chain(after).flatten();
        let awaited = awaited.filter(|child| !child.is_let_go() && !child.is_told());
        for child in awaited.take(SINGLE_EXITS) {
            let is_told_of = |what: &str, child: &Child| {
                let is_told = deadline::holds_within(order.patience, || child.is_told());
                if !is_told {
                    let words = format!("{what}, alone in a lull, is not told");
                    tally.fault(|tally| &tally.lost, words);
                }
                is_told
            };
            child.let_go(self.dice.u8(..));
            if !is_told_of("an exit", child) {
                return;
            }
            child.register_callback(&**watcher);
            if !is_told_of("a late callback", child) {
                return;
            }
        }
    }

    fn step(&mut self, bed: usize) {
        match &self.beds[bed] {
            None => self.beds[bed] = self.birth(),
            Some(child) if child.is_let_go() => self.step_with_dying(bed),
            Some(_) => self.step_with_living(bed),
        }
    }

    /// `None` when there is no room now.
    fn birth(&mut self) -> Option<Child> {
        let Shared { tally, numbers, .. } = self.shared;
        let mut child = Child::new(Sleeper::new().ok()?, tally);
        let pid = child.life.pid();
        tally.count(|tally| &tally.births);
        if numbers.is_reused(pid) {
            tally.count(|tally| &tally.reused);
        }
        let is_taken_over = numbers.take_over(pid);
        if is_taken_over {
            tally.count(|tally| &tally.taken_over);
        }
        // The calls that mean a number mean its last process until this one is registered;
        // so may a signal.
        if is_taken_over || !self.shared.order.backend.unit_of_start_times().is_zero() {
            let TheWatcher(watcher) = &**self.watcher;
            match self.dice.bool() {
                true => child.register(&**watcher),
                false => child.watch(self.watcher, false),
            }
        }
        Some(child)
    }

    fn step_with_living(&mut self, bed: usize) {
        if self.dice.usize(..STEPS_A_WATCHER) == 0 {
            self.visit();
            return;
        }
        let Some(child) = &mut self.beds[bed] else {
            return;
        };
        let dice = &mut self.dice;
        let TheWatcher(watcher) = &**self.watcher;
        match dice.u8(..16) {
            0..=2 => child.register(&**watcher),
            3..=5 => child.watch(self.watcher, dice.u8(..4) == 0),
            6..=8 => child.register_callback(&**watcher),
            9..=10 => child.cancel(&**watcher, dice.usize(..)),
            11 => child.unregister(&**watcher),
            12 => child.stop_or_continue(),
            13..=14 => child.let_go(dice.u8(..)),
            // These two leave no core, which would end all who share this memory.
            _ => child.kill(if dice.bool() {
                Signal::KILL
            } else {
                Signal::TERM
            }),
        }
    }

    fn step_with_dying(&mut self, bed: usize) {
        let Some(child) = &mut self.beds[bed] else {
            return;
        };
        let dice = &mut self.dice;
        let TheWatcher(watcher) = &**self.watcher;
        match dice.u8(..16) {
            0 => child.watch(self.watcher, false),
            1 => child.register(&**watcher),
            2 => child.register_callback(&**watcher),
            3 => child.cancel(&**watcher, dice.usize(..)),
            4 => child.unregister(&**watcher),
            // Perhaps this comes before the watcher's report.
            5 => self.reap(bed),
            _ if child.is_told() || child.since_let_go() > self.shared.order.patience => {
                self.reap(bed);
            }
            _ => {}
        }
    }

    fn reap(&mut self, bed: usize) {
        let TheWatcher(watcher) = &**self.watcher;
        let numbers = &self.shared.numbers;
        if let Some(mut child) = self.beds[bed].take_if(|child| self.shared.may_reap(child)) {
            if child.is_held {
                if self.dice.u8(..8) > 0 || numbers.count() > FEW_NUMBERS {
                    child.unregister(&**watcher);
                } else {
                    numbers.leave_registered(child.life.pid());
                }
            }
            self.owed.extend(child.reap(self.shared.order.patience));
        }
    }

    /// Has a watcher of its own look at some children, lets half of them go, and drops it.
    fn visit(&mut self) {
        let Shared { order, tally, .. } = self.shared;
        let watcher = match order.backend.watcher() {
            Ok(watcher) => watcher,
            Err(error) => {
                let words = format!("making a watcher: {error:?}");
                tally.fault(|tally| &tally.misanswered, words);
                return;
            }
        };
        tally.count(|tally| &tally.watchers);
        let mut tickets = Vec::new();
        for _ in 0..VISITED {
            let bed = self.dice.usize(..self.beds.len());
            let living = |child: &&mut Child| !child.is_let_go();
            let Some(child) = self.beds[bed].as_mut().filter(living) else {
                continue;
            };
            let ticket = child.visited();
            match watcher.watch(child.life.pid(), ticket.callback(None)) {
                Ok(_) => {
                    tally.count(|tally| &tally.registered);
                    tickets.push(ticket);
                }
                Err(error) => {
                    let words = format!("{}: watch answered {error:?}", child.life.pid());
                    tally.fault(|tally| &tally.misanswered, words);
                }
            }
            if self.dice.bool() {
                child.let_go(self.dice.u8(..));
            }
        }
        drop(watcher);
        for ticket in tickets {
            ticket.end();
            if !ticket.has_begun() {
                tally.count(|tally| &tally.dropped);
            }
            if !ticket.is_freed() {
                tally.leaked("what a callback captured outlives its watcher".to_owned());
            }
        }
    }

    fn look_at_owed(&mut self) {
        let Shared { order, tally, .. } = self.shared;
        self.owed
            .retain(|owed| !owed.is_told() && !owed.is_lost(order.patience, tally));
    }

    /// All children exit, are reported, and are reaped.
    fn finish(&mut self) {
        let patience = self.shared.order.patience;
        for child in self.beds.iter_mut().flatten() {
            child.let_go(0);
        }
        let told = || self.beds.iter().flatten().all(Child::is_told);
        deadline::holds_within(patience, told);
        for bed in 0..self.beds.len() {
            let may_reap = || {
                let child = self.beds[bed].as_ref();
                child.is_none_or(|child| self.shared.may_reap(child))
            };
            deadline::holds_within(patience, may_reap);
            self.reap(bed);
        }
        deadline::holds_within(patience + Duration::from_secs(1), || {
            self.look_at_owed();
            self.owed.is_empty()
        });
    }
}

impl Shared {
    /// Whether the backend can tell the number's next child from this one.
    fn may_reap(&self, child: &Child) -> bool {
        let unit = self.order.backend.unit_of_start_times().as_nanos();
        unit == 0 || threads::since_boot().as_nanos() / unit > child.armed_at.as_nanos() / unit
    }
}
