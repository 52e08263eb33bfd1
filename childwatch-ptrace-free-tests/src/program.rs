//! [`Program`]: a sequence of calls and exits, as a value, and its run against a backend.
//!
//! A program says what each of some threads does, step by step, and what each callback does in
//! its turn. It is run in a process of its own; all that happens is written down in a history,
//! which is judged afterwards against the contract. The runner makes sure that the program
//! allows every exit, that the program gives up every number, and that threads meet in the
//! watcher alone: each call by number has a child that stays what it is until the call has
//! returned.
//!
//! So an answer that another thread's call may have changed is judged with it: there
//! must be *some* order of the calls that explains all answers, and in it each call lies
//! between its beginning and its end.
//!
//! A program reads as this:
//!
//! ```text
//! register:0 callback:0{reap:0 cancel:1} die:0 | watch:0! spawn:0 drop
//! ```
//!
//! Threads stand between bars; `{…}` is what a callback does, and `!` says that it
//! panics at its end. Numbers are children, save with `cancel`: there it is the callback,
//! counted from 0 in the order of the text, with one for each `spawn`. Each child is alive
//! at the beginning.

use std::env;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::backend::BackendUnderTest;
use crate::cell::Verdict;
use crate::deadline::set_patience;
use crate::judged;

mod history;
mod judge;
mod orders;
mod resident;
mod text;
mod world;

pub use text::NotAProgram;

/// The first argument of a program that is to run such a program. Backend, text and the
/// patience of its waits, in milliseconds, follow.
pub const PROGRAM_FLAG: &str = "--childwatch-program";

/// What some threads do, each with its steps.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// A list of steps for each thread.
    pub threads: Vec<Vec<Step>>,
}

/// One of a program's children, by its place. Successive children may have the place, one
/// after the other, and where it can be done they have one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u8);

/// One step of a thread or of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The place's next child, if the last one has been reaped. A callback makes none.
    /// Where a backend goes by start times, it is watched at once.
    Spawn(Place),
    /// Lets the child exit with a code, and does not wait for it.
    LetGo(Place),
    /// The same by a signal.
    Kill(Place),
    /// Stops the child. If it is let go now, it does not exit until it is continued.
    Stop(Place),
    /// Continues it.
    Continue(Place),
    /// Has the child exit, and waits until it is dead.
    Die(Place),
    /// The same, and reaps it.
    Reap(Place),
    /// `register_pid`.
    Register(Place),
    /// `unregister_pid`.
    Unregister(Place),
    /// `register_callback`.
    Callback(Place, Body),
    /// `watch`.
    Watch(Place, Body),
    /// `try_wait`.
    Poll(Place),
    /// `unregister_callback` of the callback with this number, if it has been registered.
    Cancel(u8),
    /// Drops the watcher. Calls that come later are left out.
    Drop,
}

/// What a callback does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Its steps.
    pub steps: Vec<Step>,
    /// Whether it panics then.
    pub panics: bool,
}

impl Step {
    fn body(&self) -> Option<&Body> {
        match self {
            Step::Callback(_, body) | Step::Watch(_, body) => Some(body),
            _ => None,
        }
    }

    /// How many callbacks it may make, and those it may.
    fn callbacks(&self) -> usize {
        match self {
            Step::Spawn(_) => 1,
            Step::Callback(_, body) | Step::Watch(_, body) => 1 + callbacks_of(&body.steps),
            _ => 0,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Step::Spawn(place)
            | Step::LetGo(place)
            | Step::Kill(place)
            | Step::Stop(place)
            | Step::Continue(place)
            | Step::Die(place)
            | Step::Reap(place)
            | Step::Register(place)
            | Step::Unregister(place)
            | Step::Poll(place)
            | Step::Callback(place, _)
            | Step::Watch(place, _) => Some(*place),
            Step::Cancel(_) | Step::Drop => None,
        }
    }
}

impl Program {
    /// Runs the program in a process of its own, which is killed at the deadline, and all
    /// that it has started. `runner` must hand its arguments to
    /// [`front::take_part`](crate::front::take_part), with this backend.
    ///
    /// # Errors
    ///
    /// When the process can't be started or read from.
    pub fn run(
        &self,
        backend: &dyn BackendUnderTest,
        runner: &Path,
        deadline: Duration,
    ) -> io::Result<Verdict> {
        let text = self.to_string();
        judged::run(
            runner,
            &[PROGRAM_FLAG, backend.name(), &text],
            deadline,
            || false,
        )
    }

    /// Every step, a callback's own after it.
    fn steps(&self) -> Vec<&Step> {
        fn add<'a>(steps: &'a [Step], all: &mut Vec<&'a Step>) {
            for step in steps {
                all.push(step);
                if let Some(body) = step.body() {
                    add(&body.steps, all);
                }
            }
        }
        let mut all = Vec::new();
        for thread in &self.threads {
            add(thread, &mut all);
        }
        all
    }

    fn places(&self) -> usize {
        let highest = self.steps().iter().filter_map(|step| step.place()).max();
        highest.map_or(0, |Place(place)| usize::from(place) + 1)
    }

    fn callbacks(&self) -> usize {
        self.threads.iter().map(|steps| callbacks_of(steps)).sum()
    }
}

fn callbacks_of(steps: &[Step]) -> usize {
    steps.iter().map(Step::callbacks).sum()
}

/// The program that this process was started to run, if it was.
pub(crate) fn from_args(backends: &[&'static dyn BackendUnderTest]) -> Option<ToRun> {
    let mut args = env::args().skip(1);
    if args.next()? != PROGRAM_FLAG {
        return None;
    }
    let (backend, text) = (args.next()?, args.next()?);
    set_patience(Duration::from_millis(args.next()?.parse().ok()?));
    Some(ToRun {
        backend: *backends.iter().find(|known| known.name() == backend)?,
        program: text.parse(),
    })
}

/// What the process is to run.
pub(crate) struct ToRun {
    backend: &'static dyn BackendUnderTest,
    program: Result<Program, NotAProgram>,
}

impl ToRun {
    /// The process's own part: runs the program and never returns.
    pub(crate) fn run_here(self) -> ! {
        let program = match self.program {
            Ok(program) => program,
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(2);
            }
        };
        judged::run_here(self.backend.is_available(), || {
            let history = world::run(&program, self.backend);
            let faults = judge::faults(&history);
            assert!(
                faults.is_empty(),
                "{}\n\nin {program}\n\n{history}",
                faults.join("\n")
            );
        })
    }
}
