//! What the engine costs without a kernel behind it: the processor time of a registration and
//! of an exit, and the longest registration.
//!
//! `cargo run --release -p childwatch-ptrace-free-tests --example engine_alone -- 10000 21`
//!
//! The source makes no system call. It has a table of the armed processes, as a backend has. So
//! the engine's collections are a large part of what is measured. To compare two builds, let
//! them take turns, and compare their medians.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use childwatch_core::source::{ExitSource, Report, ThreadedWatcher, Token, TokenTable};
use childwatch_core::{Pid, PidWatcher, WatchError};
use childwatch_ptrace_free_tests::front::closed_pipe;
use rustix::time::{ClockId, clock_gettime};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    closed_pipe::end_quietly();
    let args: Vec<_> = std::env::args().skip(1).map(|arg| arg.parse()).collect();
    let [Ok(processes @ 1..), Ok(rounds @ 1..)] = args[..] else {
        eprintln!("usage: engine_alone PROCESSES ROUNDS");
        return ExitCode::from(2);
    };
    match measure(processes, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("engine_alone: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(processes: u32, rounds: u32) -> Result<(), Failure> {
    let (mut registrations, mut longest, mut exits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let round = one_round(processes)?;
        registrations.push(round.registration);
        longest.push(round.longest);
        exits.push(round.exit);
    }
    println!(
        "{processes} processes: registration {:?}, the longest {:?}, exit {:?}",
        median(registrations),
        // Other work of the machine makes it longer, and nothing makes it shorter.
        longest.iter().min().copied().unwrap_or_default(),
        median(exits),
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

struct Round {
    /// Processor time.
    registration: Duration,
    /// Time, as the caller sees it.
    longest: Duration,
    /// Processor time.
    exit: Duration,
}

fn one_round(processes: u32) -> Result<Round, Failure> {
    let watcher = ThreadedWatcher::start(Silent::default(), ())?;
    let left = Arc::new(AtomicUsize::new(processes as usize));
    let (tell, told) = mpsc::channel();

    let start = cpu(ClockId::ThreadCPUTime);
    let mut longest = Duration::ZERO;
    for number in 1..=processes {
        let (left, tell) = (Arc::clone(&left), tell.clone());
        let callback = move |_| {
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                // The receiver waits below.
                let _ = tell.send(());
            }
        };
        let began = Instant::now();
        watcher.watch(Pid::try_from(number)?, Box::new(callback))?;
        longest = longest.max(began.elapsed());
    }
    let registration = cpu(ClockId::ThreadCPUTime) - start;

    let start = cpu(ClockId::ProcessCPUTime);
    watcher.source().let_all_exit(processes);
    told.recv()?;
    let exit = cpu(ClockId::ProcessCPUTime) - start;
    Ok(Round {
        registration: registration / processes,
        longest,
        exit: exit / processes,
    })
}

fn cpu(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// A source of processes that do not exist.
#[derive(Debug, Default)]
struct Silent {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The values are as large as those of `childwatch-pidfd`.
    armed: TokenTable<(Pid, bool)>,
    /// The next process that is reported, and the end of those that have exited, by their index.
    next: u32,
    exited: u32,
    is_woken: bool,
}

impl Silent {
    fn let_all_exit(&self, processes: u32) {
        self.lock().exited = processes;
        self.came.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExitSource for Silent {
    type Waiter = ();

    const THREAD_NAME: &'static str = "silent";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.lock().armed.insert(token, (pid, false));
        Ok(())
    }

    fn disarm(&self, token: Token) {
        self.lock().armed.remove(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.lock().armed.get(token).is_none()
    }

    fn look(&self, _token: Token) -> Option<Report> {
        None
    }

    fn wait(&self, _waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        const REPORTS_A_WAIT: u32 = 128;
        let is_quiet = |state: &mut State| state.next == state.exited && !state.is_woken;
        let waited = self.came.wait_while(self.lock(), is_quiet);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_woken = false;
        let end = state.exited.min(state.next + REPORTS_A_WAIT);
        for index in state.next..end {
            reports.extend(
                state
                    .armed
                    .at(index)
                    .map(|(token, _)| Report::new(token, None)),
            );
        }
        state.next = end;
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        self.lock().is_woken = true;
        self.came.notify_one();
        Ok(())
    }
}
