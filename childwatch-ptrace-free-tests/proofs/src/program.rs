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

use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::deadline::set_patience;
use childwatch_ptrace_free_tests::kit::judged::{self, Verdict};

mod history;
mod judge;
mod orders;
mod resident;
mod steps;
mod text;
mod world;

pub use steps::{Body, Place, Program, Step};
pub use text::NotAProgram;

/// The first argument of a program that is to run such a program. Backend, text and the
/// patience of its waits, in milliseconds, follow.
pub const PROGRAM_FLAG: &str = "--childwatch-program";

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
