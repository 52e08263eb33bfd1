//! The registry against a model, under random sequences of what its callers do.
//!
//! The model has no slots, no generations and no index by pid. It is a list of all registrations
//! so far, each with its own callbacks. After each step both must give the same answers to the
//! same questions. Each callback that goes in must come out again, exactly once.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One step of a caller or of the watcher's thread. A `u8` picks one of the tokens or callbacks
/// that exist at that moment. If there is none, the step is left out.
#[derive(Clone, Debug)]
enum Step {
    /// A caller looks up the current registration, and reserves a token.
    Reserve {
        number: u8,
    },
    Commit {
        armed: u8,
    },
    CommitWatch {
        armed: u8,
    },
    /// The arming of a token has failed, or its registration has ended and it has been disarmed.
    Release {
        token: u8,
    },
    Hold {
        token: u8,
    },
    Join {
        token: u8,
    },
    UnregisterPid {
        number: u8,
    },
    Cancel {
        handle: u8,
    },
    /// The source reports an exit: for the first time, late, or once more.
    Report {
        token: u8,
        code: u8,
    },
    /// The watcher's thread takes the next callback.
    Run,
    /// The callback that the thread runs returns.
    Finish,
    /// The watcher ends.
    TakeAll,
}

/// Few pids, so that they are reused.
const NUMBERS: u8 = 3;

fn step() -> impl Strategy<Value = Step> {
    let number = 0..NUMBERS;
    prop_oneof![
        16 => number.clone().prop_map(|number| Step::Reserve { number }),
        16 => choice().prop_map(|armed| Step::Commit { armed }),
        12 => choice().prop_map(|armed| Step::CommitWatch { armed }),
        8 => choice().prop_map(|token| Step::Release { token }),
        4 => choice().prop_map(|token| Step::Hold { token }),
        40 => choice().prop_map(|token| Step::Join { token }),
        8 => number.prop_map(|number| Step::UnregisterPid { number }),
        16 => choice().prop_map(|handle| Step::Cancel { handle }),
        24 => (choice(), 0..4_u8).prop_map(|(token, code)| Step::Report { token, code }),
        20 => Just(Step::Run),
        20 => Just(Step::Finish),
        1 => Just(Step::TakeAll),
    ]
}

/// Picks mostly one of the latest.
fn choice() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0..6_u8, 1 => any::<u8>()]
}

proptest! {
    #[test]
    fn the_registry_does_what_the_model_does(steps in vec(step(), 0..80)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
            pair.agree();
        }
        pair.end();
    }
}

/// What the model knows of one token, from its reservation on.
#[derive(Debug)]
struct Life {
    pid: Pid,
    token: Token,
    /// What was current when the token was reserved.
    former: Option<Token>,
    exit: Option<Exit>,
    stage: Stage,
    /// When it became due, or had its last turn; `None` while nothing is due.
    turn: Option<u64>,
}

#[derive(Debug)]
enum Stage {
    Armed,
    Registered {
        tenure: Tenure,
        is_current: bool,
        callbacks: VecDeque<Entry>,
    },
    /// To be released.
    Over,
    Released,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    id: NonZeroU64,
    callback: Callback,
}

/// A callback, by its number. It is not `Copy`, so none can come out twice unnoticed.
#[derive(Debug, PartialEq, Eq)]
struct Callback(usize);

/// The registry, the model, and the state of each callback.
struct Pair {
    registry: Registry<Callback>,
    lives: Vec<Life>,
    handles: Vec<WatchHandle>,
    running: Option<WatchHandle>,
    has_run: Vec<WatchHandle>,
    /// How many callbacks have begun to run.
    begun: u64,
    /// `take_all` has been called.
    is_over: bool,
    /// For each callback that went in, `true` if it has come out.
    is_out: Vec<bool>,
    turns: u64,
}

impl Pair {
    fn new() -> Self {
        Pair {
            registry: Registry::new(),
            lives: Vec::new(),
            handles: Vec::new(),
            running: None,
            has_run: Vec::new(),
            begun: 0,
            is_over: false,
            is_out: Vec::new(),
            turns: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Reserve { number } => self.reserve(pid(number)),
            Step::Commit { armed } => self.commit(armed),
            Step::CommitWatch { armed } => self.commit_watch(armed),
            Step::Release { token } => self.release(token),
            Step::Hold { token } => self.hold(token),
            Step::Join { token } => self.join(token),
            Step::UnregisterPid { number } => self.unregister_pid(pid(number)),
            Step::Cancel { handle } => self.cancel(handle),
            Step::Report { token, code } => self.report(token, code),
            Step::Run => self.run(),
            Step::Finish => self.finish(),
            Step::TakeAll => self.take_all(),
        }
    }

    fn reserve(&mut self, pid: Pid) {
        let token = self.registry.reserve(pid);
        for life in &self.lives {
            assert_ne!(life.token, token, "a token is given twice");
            let is_in_use = !matches!(life.stage, Stage::Released);
            assert!(
                !is_in_use || life.token.index() != token.index(),
                "{token:?} has the place of {life:?}"
            );
        }
        self.lives.push(Life {
            pid,
            token,
            former: self.current(pid).map(|current| current.token),
            exit: None,
            stage: Stage::Armed,
            turn: None,
        });
    }

    fn commit(&mut self, armed: u8) {
        let Some(index) = self.pick(armed, |life| matches!(life.stage, Stage::Armed)) else {
            return;
        };
        let &Life {
            pid, token, former, ..
        } = &self.lives[index];
        let answer = self.registry.commit(pid, token, former);
        if self.is_contended(index) {
            answer.expect_err("another registration came first");
            return;
        }
        let retired = self.enter(index, Tenure::Held, VecDeque::new());
        let committed = answer.expect("nothing stood in the way");
        assert_eq!(committed.retired, retired);
        assert!(!committed.is_due, "no callback is there to be due");
    }

    fn commit_watch(&mut self, armed: u8) {
        let Some(index) = self.pick(armed, |life| matches!(life.stage, Stage::Armed)) else {
            return;
        };
        let callback = self.new_callback();
        let number = callback.0;
        let &Life {
            pid, token, former, ..
        } = &self.lives[index];
        let answer = self.registry.commit_watch(pid, token, former, callback);
        if self.is_contended(index) {
            let callback = answer.expect_err("another registration came first");
            self.assert_comes_out(&callback, number);
            return;
        }
        let (handle, committed) = answer.expect("nothing stood in the way");
        assert_eq!(handle.pid(), pid);
        let first = Entry {
            id: handle.id(),
            callback: Callback(number),
        };
        let is_due = self.lives[index].exit.is_some();
        let retired = self.enter(index, Tenure::Ephemeral, VecDeque::from([first]));
        self.note_turn(index);
        self.handles.push(handle);
        assert_eq!(committed.retired, retired);
        assert_eq!(committed.is_due, is_due);
    }

    fn release(&mut self, token: u8) {
        let is_ended = |life: &Life| matches!(life.stage, Stage::Armed | Stage::Over);
        if let Some(index) = self.pick(token, is_ended) {
            self.registry.release(self.lives[index].token);
            self.lives[index].stage = Stage::Released;
        }
    }

    fn hold(&mut self, token: u8) {
        let Some(index) = self.pick(token, |_| true) else {
            return;
        };
        let answer = self.registry.hold(self.lives[index].token);
        let expected = match &mut self.lives[index].stage {
            Stage::Registered { tenure, .. } => {
                mem::replace(tenure, Tenure::Held) == Tenure::Ephemeral
            }
            Stage::Armed | Stage::Over | Stage::Released => false,
        };
        assert_eq!(answer, expected);
    }

    fn join(&mut self, token: u8) {
        let Some(index) = self.pick(token, |_| true) else {
            return;
        };
        let callback = self.new_callback();
        let number = callback.0;
        let life = &mut self.lives[index];
        let answer = self.registry.join(life.token, callback);
        let Stage::Registered { callbacks, .. } = &mut life.stage else {
            let callback = answer.expect_err("the registration is gone");
            self.assert_comes_out(&callback, number);
            return;
        };
        let (handle, is_due) = answer.expect("the registration is there");
        assert_eq!(handle.pid(), life.pid);
        assert_eq!(is_due, life.exit.is_some());
        callbacks.push_back(Entry {
            id: handle.id(),
            callback: Callback(number),
        });
        self.handles.push(handle);
        self.note_turn(index);
    }

    fn unregister_pid(&mut self, pid: Pid) {
        let answer = self.registry.unregister_pid(pid);
        let current = self.current_index(pid);
        let expected = current.and_then(|index| self.let_go(index, true));
        assert_eq!(answer, expected);
    }

    fn cancel(&mut self, handle: u8) {
        let Some(&handle) = pick_from(&self.handles, handle) else {
            return;
        };
        let answer = self.registry.cancel(handle);
        if self.running == Some(handle) {
            assert!(matches!(answer, Cancelled::Running), "{answer:?}");
            return;
        }
        let Some((index, callback)) = self.take_out(handle) else {
            // It has run, unless a cancellation or the end of the watcher has removed it.
            if self.has_run.contains(&handle) && !self.is_over {
                assert!(matches!(answer, Cancelled::HasRun), "{answer:?}");
            } else {
                assert!(matches!(answer, Cancelled::NotPending), "{answer:?}");
            }
            return;
        };
        self.note_turn(index);
        let expected = self.retire_if_unheld(index);
        match answer {
            Cancelled::Removed {
                callback: removed,
                retired,
            } => {
                self.assert_comes_out(&removed, callback.0);
                assert_eq!(retired, expected);
            }
            Cancelled::Running | Cancelled::HasRun | Cancelled::NotPending => {
                panic!("{answer:?} of a waiting callback")
            }
        }
    }

    fn report(&mut self, token: u8, code: u8) {
        let Some(index) = self.pick(token, |_| true) else {
            return;
        };
        let status = Some(ExitStatus::from_raw(i32::from(code) << 8));
        let token = self.lives[index].token;
        let answer = self.registry.process_exited(Report::new(token, status));
        let life = &mut self.lives[index];
        let is_new =
            life.exit.is_none() && matches!(life.stage, Stage::Armed | Stage::Registered { .. });
        if is_new {
            life.exit = Some(Exit::new(life.pid, status));
        }
        assert_eq!(answer, is_new.then_some(life.pid));
        self.note_turn(index);
    }

    /// Registrations take turns. The registration that has waited longest is next.
    fn run(&mut self) {
        if self.running.is_some() {
            return;
        }
        let answer = self.registry.next_due();
        let due = |life: &Life| life.turn;
        let Some(index) = (0..self.lives.len())
            .filter(|&index| due(&self.lives[index]).is_some())
            .min_by_key(|&index| due(&self.lives[index]))
        else {
            assert!(answer.is_none(), "{answer:?} is not due");
            return;
        };
        let due = answer.expect("a callback is due");
        let life = &mut self.lives[index];
        assert_eq!(Some(due.exit), life.exit);
        let Stage::Registered { callbacks, .. } = &mut life.stage else {
            panic!("{life:?} is due");
        };
        let first = callbacks.pop_front().expect("what is due has a callback");
        life.turn = None;
        self.begun += 1;
        self.note_turn(index);
        let handle = self.handles.iter().find(|handle| handle.id() == first.id);
        self.running = handle.copied();
        self.assert_comes_out(&due.callback, first.callback.0);
        assert_eq!(due.retired, self.retire_if_unheld(index));
    }

    fn finish(&mut self) {
        if let Some(handle) = self.running.take() {
            self.has_run.push(handle);
            self.registry.callback_finished();
        }
    }

    /// Armed tokens stay armed. Their callers have not released them yet.
    fn take_all(&mut self) {
        self.is_over = true;
        let mut taken: Vec<_> = self
            .registry
            .take_all()
            .into_iter()
            .map(|Callback(number)| number)
            .collect();
        let mut expected = Vec::new();
        for life in &mut self.lives {
            life.turn = None;
            if let Stage::Registered { callbacks, .. } = &mut life.stage {
                expected.extend(callbacks.drain(..).map(|entry| entry.callback.0));
                life.stage = Stage::Over;
            }
        }
        taken.sort_unstable();
        expected.sort_unstable();
        assert_eq!(taken, expected);
        for number in taken {
            self.assert_comes_out(&Callback(number), number);
        }
    }

    /// Both give the same answers to the same questions.
    fn agree(&self) {
        for number in 0..NUMBERS {
            let pid = pid(number);
            assert_eq!(self.registry.current(pid), self.current(pid), "{pid}");
        }
        let is_due = self.lives.iter().any(|life| life.turn.is_some());
        assert_eq!(self.registry.has_due(), is_due);
        for handle in &self.handles {
            let is_running = self.running == Some(*handle);
            assert_eq!(self.registry.is_running(handle.id()), is_running);
        }
        for life in &self.lives {
            let expected = match life.stage {
                Stage::Registered { .. } => Some(life.exit),
                Stage::Armed | Stage::Over | Stage::Released => None,
            };
            assert_eq!(self.registry.exit_of(life.token), expected, "{life:?}");
        }
        // Invariant 7.
        let registered = self.lives.iter().filter_map(|life| match &life.stage {
            Stage::Registered { callbacks, .. } => Some(callbacks.len() as u64),
            Stage::Armed | Stage::Over | Stage::Released => None,
        });
        let expected = Tally {
            registrations: registered.clone().count() as u64,
            pending: registered.sum(),
            begun: self.begun,
        };
        assert_eq!(self.registry.tally(), expected);
        // Invariants 2 and 3.
        let due = self.lives.iter().filter(|life| life.turn.is_some()).count();
        assert_eq!(self.registry.due, due);
        assert!(self.registry.ready.len() >= due);
    }

    /// No callback is still inside.
    fn end(mut self) {
        self.take_all();
        self.agree();
        assert!(self.is_out.iter().all(|is_out| *is_out), "a lost callback");
        // Once all slots have been released, they are used again.
        let slots = self.registry.slots.len();
        while self
            .pick(0, |life| !matches!(life.stage, Stage::Released))
            .is_some()
        {
            self.release(0);
        }
        for _ in 0..slots {
            self.reserve(pid(0));
        }
        assert_eq!(self.registry.slots.len(), slots, "a slot is lost");
    }

    // The model's own transitions.

    fn current_index(&self, pid: Pid) -> Option<usize> {
        self.lives.iter().position(|life| {
            life.pid == pid
                && matches!(
                    life.stage,
                    Stage::Registered {
                        is_current: true,
                        ..
                    }
                )
        })
    }

    fn current(&self, pid: Pid) -> Option<Current> {
        let life = &self.lives[self.current_index(pid)?];
        match life.stage {
            Stage::Registered { tenure, .. } => Some(Current {
                token: life.token,
                tenure,
            }),
            Stage::Armed | Stage::Over | Stage::Released => None,
        }
    }

    fn is_contended(&self, index: usize) -> bool {
        let life = &self.lives[index];
        self.current(life.pid).map(|current| current.token) != life.former
    }

    /// Makes an armed token the registration of its pid. Returns the token that this retires.
    fn enter(&mut self, index: usize, tenure: Tenure, callbacks: VecDeque<Entry>) -> Option<Token> {
        let former = self.current_index(self.lives[index].pid);
        let retired = former.and_then(|former| self.let_go(former, false));
        self.lives[index].stage = Stage::Registered {
            tenure,
            is_current: true,
            callbacks,
        };
        retired
    }

    /// Ends a registration's tenure. Unless it `stays`, its pid no longer leads to it.
    fn let_go(&mut self, index: usize, stays: bool) -> Option<Token> {
        if let Stage::Registered {
            tenure, is_current, ..
        } = &mut self.lives[index].stage
        {
            *tenure = Tenure::Ephemeral;
            *is_current = stays;
        }
        self.retire_if_unheld(index)
    }

    fn retire_if_unheld(&mut self, index: usize) -> Option<Token> {
        let life = &mut self.lives[index];
        match &life.stage {
            Stage::Registered {
                tenure: Tenure::Ephemeral,
                callbacks,
                ..
            } if callbacks.is_empty() => {
                life.stage = Stage::Over;
                Some(life.token)
            }
            _ => None,
        }
    }

    fn take_out(&mut self, handle: WatchHandle) -> Option<(usize, Callback)> {
        for (index, life) in self.lives.iter_mut().enumerate() {
            if let Stage::Registered { callbacks, .. } = &mut life.stage {
                let place = callbacks.iter().position(|entry| entry.id == handle.id());
                if let Some(entry) = place.and_then(|place| callbacks.remove(place)) {
                    return Some((index, entry.callback));
                }
            }
        }
        None
    }

    /// The registration may have become due, or not due any more. If it was due already, it keeps
    /// its turn.
    fn note_turn(&mut self, index: usize) {
        let life = &mut self.lives[index];
        let is_due = life.exit.is_some()
            && matches!(&life.stage, Stage::Registered { callbacks, .. } if !callbacks.is_empty());
        if !is_due {
            life.turn = None;
        } else if life.turn.is_none() {
            self.turns += 1;
            life.turn = Some(self.turns);
        }
    }

    fn new_callback(&mut self) -> Callback {
        self.is_out.push(false);
        Callback(self.is_out.len() - 1)
    }

    fn assert_comes_out(&mut self, callback: &Callback, expected: usize) {
        assert_eq!(callback.0, expected, "another callback came out");
        assert!(!self.is_out[expected], "a callback came out twice");
        self.is_out[expected] = true;
    }

    fn pick(&self, choice: u8, condition: impl Fn(&Life) -> bool) -> Option<usize> {
        let fitting: Vec<_> = (0..self.lives.len())
            .filter(|&index| condition(&self.lives[index]))
            .collect();
        pick_from(&fitting, choice).copied()
    }
}

/// Counts from the end, so that a small choice picks a recent item.
fn pick_from<T>(among: &[T], choice: u8) -> Option<&T> {
    let back = usize::from(choice).checked_rem(among.len())?;
    among.get(among.len() - 1 - back)
}

fn pid(number: u8) -> Pid {
    Pid::try_from(i32::from(number) + 1).expect("positive")
}
