//! What of a history the contract does not allow.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;
use std::thread::ThreadId;

use childwatch_core::{Exit, Pid, Unregistered, WatchHandle};

use super::history::{Answer, Call, Entry, Event, History};
use super::orders::{self, Done, Outcome, Told};

/// Each fault, after its clause.
pub(super) fn faults(history: &History) -> Vec<String> {
    let facts = Facts::of(&history.entries());
    let mut faults = facts.faults.clone();
    for (&label, callback) in &facts.callbacks {
        faults.extend(
            facts
                .faults_of(callback)
                .into_iter()
                .map(|fault| format!("callback {label}: {fault}")),
        );
    }
    faults.extend(facts.untrue_polls());
    faults.extend(facts.order_of_runs());
    faults.extend(facts.orders_of_calls());
    faults
}

/// The history, by what it is of. Moments are places in it.
#[derive(Default)]
struct Facts {
    children: Vec<Child>,
    callbacks: BTreeMap<usize, Callback>,
    calls: BTreeMap<usize, OneCall>,
    dropping: Option<(usize, ThreadId)>,
    dropped: Option<usize>,
    /// Every callback that is owed should have run by the end.
    is_settled: bool,
    /// What is wrong by itself.
    faults: Vec<String>,
}

struct Child {
    pid: Pid,
    may_exit: Option<(usize, ExitStatus)>,
    reaping: Option<usize>,
}

#[derive(Default)]
struct Callback {
    call: usize,
    runs: Vec<Run>,
    freed: Option<usize>,
    /// The calls that would take it out.
    cancels: Vec<usize>,
}

struct Run {
    exit: Exit,
    began: usize,
    ended: Option<usize>,
    thread: ThreadId,
}

struct OneCall {
    what: Call,
    called: usize,
    returned: Option<(usize, Answer)>,
}

impl OneCall {
    fn answer(&self) -> Option<&Answer> {
        self.returned.as_ref().map(|(_, answer)| answer)
    }

    fn handle(&self) -> Option<WatchHandle> {
        match self.answer() {
            Some(Answer::Accepted(handle)) => Some(*handle),
            _ => None,
        }
    }
}

impl Facts {
    fn of(entries: &[Entry]) -> Self {
        let mut facts = Facts::default();
        for (moment, Entry { event, thread }) in entries.iter().enumerate() {
            facts.take_in(moment, event, *thread);
        }
        facts
    }

    fn take_in(&mut self, moment: usize, event: &Event, thread: ThreadId) {
        match event {
            // Children are numbered as they are born, by threads that may overtake each
            // other on the way here.
            Event::Born { child, pid } => {
                while self.children.len() <= *child {
                    self.children.push(Child {
                        pid: *pid,
                        may_exit: None,
                        reaping: None,
                    });
                }
                self.children[*child].pid = *pid;
            }
            Event::MayExit { child, status } => {
                self.children[*child].may_exit = Some((moment, *status));
            }
            Event::Reaping { child } => self.children[*child].reaping = Some(moment),
            Event::Reaped { child, status } => {
                let expected = self.children[*child].may_exit.map(|(_, status)| status);
                if *status != expected {
                    self.faults.push(format!(
                        "[C7] reaping child {child} gave {status:?}, not {expected:?}"
                    ));
                }
            }
            Event::Called { call, what } => {
                self.calls.insert(
                    *call,
                    OneCall {
                        what: *what,
                        called: moment,
                        returned: None,
                    },
                );
                match what {
                    Call::Callback(.., label) | Call::Watch(.., label) => {
                        self.callbacks.entry(*label).or_default().call = *call;
                    }
                    Call::Cancel { callback, .. } => {
                        self.callbacks
                            .entry(*callback)
                            .or_default()
                            .cancels
                            .push(*call);
                    }
                    Call::Register(..) | Call::Unregister(..) | Call::Poll(..) => {}
                }
            }
            Event::Returned { call, answer } => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.returned = Some((moment, answer.clone()));
                }
                if let Answer::Other(error) = answer {
                    self.faults
                        .push(format!("[C2] call {call} answered {error}"));
                }
            }
            Event::Began { callback, exit } => {
                let run = Run {
                    exit: *exit,
                    began: moment,
                    ended: None,
                    thread,
                };
                self.callbacks.entry(*callback).or_default().runs.push(run);
            }
            Event::NotWaitable { callback } => self.faults.push(format!(
                "[C7] callback {callback}: its child can't be waited for"
            )),
            Event::Stuck { callback } => self.faults.push(format!(
                "[C10] callback {callback}: could not take its steps to their end"
            )),
            Event::Ended { callback } => {
                let callback = self.callbacks.entry(*callback).or_default();
                if let Some(run) = callback.runs.last_mut() {
                    run.ended = Some(moment);
                }
            }
            Event::Freed { callback } => {
                self.callbacks.entry(*callback).or_default().freed = Some(moment);
            }
            Event::Settled => self.is_settled = true,
            Event::Dropping => self.dropping = Some((moment, thread)),
            Event::Dropped => self.dropped = Some(moment),
        }
    }

    fn faults_of(&self, callback: &Callback) -> Vec<&'static str> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, fault| {
            if !holds {
                faults.push(fault);
            }
        };
        let call = &self.calls[&callback.call];
        let returned = call.returned.as_ref().map(|(moment, _)| *moment);
        let is_accepted = call.handle().is_some();
        let (run, freed) = (callback.runs.first(), callback.freed);
        check(callback.runs.len() <= 1, "[C3] it has run twice");
        check(returned.is_some(), "[C17] registering it has not returned");
        check(freed.is_some(), "[C9] what it captured is never dropped");
        check(
            is_accepted || run.is_none(),
            "[C2] it was refused, and has run",
        );
        check(
            is_accepted || freed < returned,
            "[C2] it was refused, and what it captured not dropped before that",
        );

        let taken_out: Vec<_> = callback
            .cancels
            .iter()
            .map(|cancel| &self.calls[cancel])
            .filter(|cancel| {
                cancel.answer() == Some(&Answer::Unregistered(Unregistered::WillNotRun))
            })
            .collect();
        check(taken_out.len() <= 1, "[C9] it was taken out twice");
        let is_owed = is_accepted && taken_out.is_empty();
        check(
            !is_owed || run.is_some() || !self.is_settled,
            "[C3] it is lost: its child has exited, and it has not run",
        );
        check(
            taken_out.is_empty() || run.is_none(),
            "[C9] it was taken out, and has run",
        );
        for cancel in &callback.cancels {
            let cancel = &self.calls[cancel];
            let Some((returned, answer)) = &cancel.returned else {
                check(false, "[C9] unregistering it has not returned");
                continue;
            };
            let is_free = freed.is_some_and(|freed| freed < *returned);
            let from_itself = matches!(
                cancel.what,
                Call::Cancel {
                    from_itself: true,
                    ..
                }
            );
            match answer {
                Answer::Unregistered(Unregistered::IsRunning) => {
                    check(
                        from_itself,
                        "[C9] it is running, says a call from elsewhere",
                    );
                }
                _ if from_itself => check(false, "[C9] it is not running, says it itself"),
                Answer::Unregistered(Unregistered::WillNotRun) => check(
                    is_free,
                    "[C9] it was taken out, and what it captured not dropped before that",
                ),
                Answer::Unregistered(Unregistered::HasRun) => check(
                    is_free && run.is_some_and(|run| run.ended.is_some_and(|at| at < *returned)),
                    "[C9] it was said to have run, and has not",
                ),
                // The call that has taken it out at the same time may still be dropping it.
                Answer::Unregistered(Unregistered::NotPending) => check(
                    taken_out.iter().any(|other| other.called < *returned),
                    "[C9] nothing was pending, and nobody had taken it out",
                ),
                _ => check(false, "[C9] unregistering it answered something else"),
            }
        }

        if let Some(run) = run {
            check(
                self.dropped.is_none_or(|dropped| run.began < dropped),
                "[C12] it has run after the watcher's drop",
            );
            check(run.ended.is_some(), "[C3] it has not returned");
            check(
                number(call.what) == Some(run.exit.pid()),
                "[C6] it was told of another number",
            );
            check(
                self.told_of(run).next().is_some(),
                "[C3, C6] no child with this number had exited so when it ran",
            );
        }
        // It may be the very callback that drops the watcher.
        let drops_it = |run: &Run| {
            self.dropping.is_some_and(|(moment, thread)| {
                thread == run.thread && run.ended.is_some_and(|ended| ended > moment)
            })
        };
        check(
            !is_accepted
                || run.is_some_and(drops_it)
                || self
                    .dropped
                    .is_none_or(|dropped| freed.is_some_and(|freed| freed < dropped)),
            "[C12] what it captured is not dropped after the watcher's drop",
        );
        faults
    }

    /// The children whose exit a callback may have reported.
    fn told_of<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = usize> + 'a {
        let told = Some((run.exit.status(), run.began));
        (0..self.children.len()).filter(move |&child| {
            self.children[child].pid == run.exit.pid() && self.is_true(child, told)
        })
    }

    /// Whether a child had exited so when a callback was told: not before it could, with
    /// its own status, which is unknown only if the program was reaping it.
    fn is_true(&self, child: usize, told: Told) -> bool {
        let Some((told, moment)) = told else {
            return true;
        };
        let child = &self.children[child];
        let had_exited = |expected: Option<ExitStatus>| {
            child.may_exit.is_some_and(|(at, status)| {
                at < moment && expected.is_none_or(|told| told == status)
            })
        };
        match told {
            Some(status) => had_exited(Some(status)),
            None => had_exited(None) && child.reaping.is_some_and(|at| at < moment),
        }
    }

    /// C3, C6: a poll finds an exit that some child with that number has had.
    fn untrue_polls(&self) -> Vec<String> {
        let untrue = |(number, call): (&usize, &OneCall)| {
            let (returned, Answer::Polled(Some(status))) = call.returned.as_ref()? else {
                return None;
            };
            let Call::Poll(pid, _) = call.what else {
                return None;
            };
            let told = Some((*status, *returned));
            let is_true = (0..self.children.len())
                .any(|child| self.children[child].pid == pid && self.is_true(child, told));
            (!is_true).then(|| {
                format!(
                    "[C3, C6] call {number} has found an exit that no child has had: {status:?}"
                )
            })
        };
        self.calls.iter().filter_map(untrue).collect()
    }

    /// C4: on one thread, one at a time, each child's in the order of their registration.
    fn order_of_runs(&self) -> Vec<String> {
        let mut runs: Vec<_> = self
            .callbacks
            .iter()
            .flat_map(|(label, callback)| {
                let handle = self.calls[&callback.call].handle();
                callback.runs.iter().map(move |run| (*label, run, handle))
            })
            .collect();
        runs.sort_by_key(|(_, run, _)| run.began);
        let mut faults = Vec::new();
        for pair in runs.windows(2) {
            let [(first, one, _), (second, other, _)] = pair else {
                continue;
            };
            if one.thread != other.thread {
                faults.push(format!(
                    "[C4] callbacks {first} and {second} have run on different threads"
                ));
            }
            if one.ended.is_none_or(|ended| ended > other.began) {
                faults.push(format!(
                    "[C4] callbacks {first} and {second} have run at once"
                ));
            }
        }
        let mut last: BTreeMap<usize, (usize, WatchHandle)> = BTreeMap::new();
        for (label, run, handle) in runs {
            let mut children = self.told_of(run);
            let (Some(child), None, Some(handle)) = (children.next(), children.next(), handle)
            else {
                continue;
            };
            if let Some((before, _)) = last.get(&child).filter(|(_, before)| *before > handle) {
                faults.push(format!(
                    "[C4] callback {label} was registered before {before}, and has run after it"
                ));
            }
            last.insert(child, (label, handle));
        }
        faults
    }

    /// C2, C5, C8, C13: what each number's calls answered.
    fn orders_of_calls(&self) -> Vec<String> {
        let numbers: BTreeSet<_> = self.children.iter().map(|child| child.pid).collect();
        let is_true = |child, told| self.is_true(child, told);
        numbers
            .into_iter()
            .filter(|number| !orders::exists(&self.calls_of(*number), &is_true))
            .map(|number| {
                format!("[C2, C8, C13] no order of the calls for {number} explains their answers")
            })
            .collect()
    }

    fn calls_of(&self, pid: Pid) -> Vec<Done> {
        self.calls
            .values()
            .filter(|call| number(call.what) == Some(pid))
            .filter_map(|call| {
                let (returned, answer) = call.returned.as_ref()?;
                let (child, outcome) = self.outcome(call.what, answer, *returned)?;
                Some(Done {
                    span: (call.called, *returned),
                    child,
                    outcome,
                })
            })
            .collect()
    }

    /// `None` for an error that is a fault by itself.
    fn outcome(
        &self,
        what: Call,
        answer: &Answer,
        returned: usize,
    ) -> Option<(Option<usize>, Outcome)> {
        let told = |label| {
            let run = self.callbacks.get(&label)?.runs.first()?;
            Some((run.exit.status(), run.began))
        };
        // A number that no child here has may be a stranger's by now.
        let is_nobody = matches!(answer, Answer::NoSuchProcess | Answer::NotAChild);
        Some(match (what, answer) {
            (Call::Register(_, child), Answer::Done) => (child, Outcome::Registered),
            (Call::Register(_, child), Answer::AlreadyRegistered) => {
                (child, Outcome::AlreadyRegistered)
            }
            (Call::Register(_, child), _) if is_nobody => (child, Outcome::RegisteredNobody),
            (Call::Unregister(_, child), _) => (child, Outcome::Unregistered),
            (Call::Callback(_, child, label), Answer::Accepted(_)) => {
                (child, Outcome::Joined(told(label)))
            }
            (Call::Callback(_, child, _), Answer::NotRegistered) => (child, Outcome::NotRegistered),
            (Call::Watch(_, child, label), Answer::Accepted(_)) => {
                (child, Outcome::Watched(told(label)))
            }
            (Call::Watch(_, child, _), _) if is_nobody => (child, Outcome::WatchedNobody),
            (Call::Poll(_, child), Answer::Polled(None)) => (child, Outcome::PolledAlive),
            (Call::Poll(_, child), Answer::Polled(Some(status))) => {
                (child, Outcome::Polled(Some((*status, returned))))
            }
            // It answers as `watch` does for a number that no child has, and changes as
            // little.
            (Call::Poll(_, child), _) if is_nobody => (child, Outcome::WatchedNobody),
            (_, Answer::Other(_)) => return None,
            _ => (None, Outcome::Impossible),
        })
    }
}

/// The number that a call is about, if it is not by a handle.
fn number(call: Call) -> Option<Pid> {
    match call {
        Call::Register(pid, _)
        | Call::Unregister(pid, _)
        | Call::Poll(pid, _)
        | Call::Callback(pid, ..)
        | Call::Watch(pid, ..) => Some(pid),
        Call::Cancel { .. } => None,
    }
}
