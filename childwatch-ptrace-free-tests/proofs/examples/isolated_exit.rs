//! How long from an exit to its callback, with many idle children watched beside it:
//! pidfd and SIGCHLD, side by side in one run.
//!
//! `cargo run --release -p childwatch-proofs --example isolated_exit -- 4000`
//!
//! The child stamps the time just before it exits, in memory shared with this process; the
//! callback stamps its own. The backends take turns, exit by exit, so that what else the
//! machine does falls on all of them. Each watches the idle children.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use childwatch_core::{PidWatcher, PidWatcherExt};
use childwatch_proofs::backends::{Pidfd, Sigchld};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::front::closed_pipe;
use childwatch_ptrace_free_tests::kit::crowd::{Crowd, now};
use childwatch_ptrace_free_tests::kit::deadline;

const ROUNDS: usize = 300;
const PAUSE: Duration = Duration::from_millis(8);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    closed_pipe::end_quietly();
    let idle = match std::env::args().nth(1).map(|text| text.parse()) {
        None => 4_000,
        Some(Ok(idle)) => idle,
        Some(Err(_)) => {
            eprintln!("usage: isolated_exit [NUMBER OF IDLE CHILDREN]");
            return ExitCode::from(2);
        }
    };
    match measure(idle) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isolated_exit: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(idle: usize) -> Result<(), Failure> {
    let backends: [&dyn BackendUnderTest; 2] = [&Pidfd, &Sigchld];
    let (mut crowd, _gate) = Crowd::gather(idle)?;
    let mut watchers = Vec::new();
    for backend in backends {
        let watcher = backend.watcher()?;
        for member in crowd.members() {
            watcher.register_pid(member.pid())?;
        }
        watchers.push(watcher);
    }

    let mut latencies = vec![Vec::with_capacity(ROUNDS); watchers.len()];
    for _ in 0..ROUNDS {
        for (watcher, latencies) in watchers.iter().zip(&mut latencies) {
            latencies.push(one_exit(&**watcher)?);
        }
    }

    println!("{idle} idle children watched, {ROUNDS} exits each");
    println!("backend    median  99th percentile  median / pidfd's");
    for sorted in &mut latencies {
        sorted.sort();
    }
    let floor = latencies[0][ROUNDS / 2];
    for (backend, sorted) in backends.iter().zip(&latencies) {
        let (median, high) = (sorted[ROUNDS / 2], sorted[ROUNDS * 99 / 100]);
        println!(
            "{:<9} {:>6.1} us {:>13.1} us  {:.2}",
            backend.name(),
            micros(median),
            micros(high),
            median.as_secs_f64() / floor.as_secs_f64()
        );
    }
    Ok(())
}

fn one_exit(watcher: &dyn PidWatcher) -> Result<Duration, Failure> {
    let (mut crowd, gate) = Crowd::gather(1)?;
    let member = &mut crowd.members()[0];
    let (tell, told) = mpsc::channel();
    watcher.on_exit(member.pid(), move |_| {
        // The receiver waits below.
        let _ = tell.send(now());
    })?;
    // Isolated: what the last exit has set off is over.
    deadline::holds_within(PAUSE, || false);
    rustix::io::write(&gate, &[1])?;
    let told = told.recv()?;
    let left = member.left_at().ok_or("told before the exit")?;
    member.reap();
    Ok(told.saturating_sub(left))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
