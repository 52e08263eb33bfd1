//! Counts the statuses that a watcher reports of children that somebody else reaps.
//!
//! `cargo run --release -p childwatch-proofs --example reaped_statuses -- pidfd ignored 150000`

#![forbid(unsafe_code)]

use std::process::ExitCode;

use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::front::closed_pipe;
use childwatch_ptrace_free_tests::kit::storm::{self, Reaper, Told};

fn main() -> ExitCode {
    closed_pipe::end_quietly();
    let args: Vec<_> = std::env::args().skip(1).collect();
    let parsed = match &args[..] {
        [backend, reaper, children] => backends::ALL
            .iter()
            .find(|known| known.name() == backend)
            .zip(reaper_named(reaper).zip(children.parse().ok())),
        _ => None,
    };
    let Some((backend, (reaper, children))) = parsed else {
        eprintln!(
            "usage: reaped_statuses pidfd|sigchld|fallback ignored|nocldwait|thread CHILDREN"
        );
        return ExitCode::from(2);
    };
    let told = backend
        .watcher()
        .map_err(std::io::Error::other)
        .and_then(|watcher| storm::raise(&*watcher, reaper, children));
    match told {
        Ok(told) => {
            println!("{}, {reaper:?}: {told:?}", backend.name());
            let Told { falsely, lost, .. } = told;
            ExitCode::from(u8::from(falsely + lost > 0))
        }
        Err(error) => {
            eprintln!("reaped_statuses: {error}");
            ExitCode::FAILURE
        }
    }
}

fn reaper_named(name: &str) -> Option<Reaper> {
    match name {
        "ignored" => Some(Reaper::Ignored),
        "nocldwait" => Some(Reaper::NoChildWait),
        "thread" => Some(Reaper::Thread),
        _ => None,
    }
}
