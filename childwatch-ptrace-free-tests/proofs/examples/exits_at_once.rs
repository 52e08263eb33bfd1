//! Counts exits: made, told, lost and doubled, when thousands of children exit at once.
//!
//! `cargo run --release -p childwatch-proofs --example exits_at_once -- sigchld 8000 100`

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use childwatch_core::{PidWatcher, PidWatcherExt};
use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::front::closed_pipe;
use childwatch_ptrace_free_tests::kit::crowd::Crowd;
use childwatch_ptrace_free_tests::kit::deadline;

type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Default)]
struct Counts {
    made: usize,
    told: usize,
    lost: usize,
    doubled: usize,
    wrong: usize,
}

fn main() -> ExitCode {
    closed_pipe::end_quietly();
    let args: Vec<_> = std::env::args().skip(1).collect();
    let parsed = match &args[..] {
        [backend, children, runs] => backends::ALL
            .iter()
            .find(|known| known.name() == backend)
            .zip(children.parse().ok().zip(runs.parse().ok())),
        _ => None,
    };
    let Some((backend, (children, runs))) = parsed else {
        eprintln!("usage: exits_at_once pidfd|sigchld|fallback CHILDREN RUNS");
        return ExitCode::from(2);
    };
    match count(*backend, children, runs) {
        Ok(counts) => {
            println!(
                "{}: {runs} runs of {children} children: {counts:?}",
                backend.name()
            );
            let Counts {
                lost,
                doubled,
                wrong,
                ..
            } = counts;
            ExitCode::from(u8::from(lost + doubled + wrong > 0))
        }
        Err(error) => {
            eprintln!("exits_at_once: {error}");
            ExitCode::FAILURE
        }
    }
}

fn count(backend: &dyn BackendUnderTest, children: usize, runs: usize) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    for _ in 0..runs {
        one_run(backend, children, &mut counts)?;
    }
    Ok(counts)
}

fn one_run(
    backend: &dyn BackendUnderTest,
    children: usize,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let (mut crowd, gate) = Crowd::gather(children)?;
    let watcher = backend.watcher()?;
    let times: Arc<[AtomicU8]> = (0..children).map(|_| AtomicU8::new(0)).collect();
    let wrong = Arc::new(AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    for (index, member) in crowd.members().iter().enumerate() {
        let (times, wrong, tell) = (Arc::clone(&times), Arc::clone(&wrong), tell.clone());
        let code = member.code();
        watcher.on_exit(member.pid(), move |exit| {
            times[index].fetch_add(1, Ordering::SeqCst);
            if exit.status().and_then(|status| status.code()) != Some(code) {
                wrong.fetch_add(1, Ordering::SeqCst);
            }
            // The receiver goes when it has waited long enough.
            let _ = tell.send(());
        })?;
    }
    drop(tell);
    drop(gate);
    for _ in 0..children {
        if told.recv_timeout(deadline::patience()).is_err() {
            break;
        }
    }
    // Reaping is an event of its own on recent kernels: none may be told twice.
    for member in crowd.members() {
        member.reap();
    }
    settle(&*watcher)?;
    drop(watcher);

    counts.made += children;
    counts.wrong += wrong.load(Ordering::SeqCst);
    for times in times.iter() {
        match times.load(Ordering::SeqCst) {
            0 => counts.lost += 1,
            1 => counts.told += 1,
            _ => counts.doubled += 1,
        }
    }
    Ok(())
}

/// Waits until the watcher reports one more exit, after all others.
fn settle(watcher: &dyn PidWatcher) -> Result<(), Failure> {
    let (mut crowd, gate) = Crowd::gather(1)?;
    rustix::io::write(&gate, &[1])?;
    watcher.wait_timeout(crowd.members()[0].pid(), deadline::patience())?;
    Ok(())
}
