//! Chooses a backend by a flag or by the answers of the probes, and watches a command with it.
//!
//! `cargo run -p childwatch-pidfd --features sigchld --example deployment -- [--backend pidfd|sigchld|fallback] COMMAND [ARG]…`
//!
//! The program itself depends on `PidWatcher` alone. Only `choose` names backends.

#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::sync::mpsc;

use anyhow::{Context, Result};
use childwatch_core::{FallbackWatcher, PidWatcher, PidWatcherExt, WatchError};
use childwatch_pidfd::{PidfdSource, PidfdWatcher};
use childwatch_sigchld::{SigchldSource, SigchldWatcher};
use clap::{Parser, ValueEnum};

/// Watches a command with the backend that suits this kernel.
#[derive(Parser)]
struct Args {
    /// The backend. Without this option the probes decide.
    #[arg(long, value_enum)]
    backend: Option<Backend>,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// One file descriptor for each process, and nothing global to the program.
    Pidfd,
    /// No file descriptors, but a handler of SIGCHLD, and children only.
    Sigchld,
    /// Pidfds for as many processes as possible, SIGCHLD for the rest.
    Fallback,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("deployment: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    let backend = args.backend.unwrap_or_else(choose);
    let watcher = make(backend).with_context(|| format!("no {backend:?} watcher here"))?;
    say(format_args!("chosen: {backend:?}"));
    supervise(&*watcher, &args.command)
}

/// Prints a line. An error means that the output is a closed pipe. The child is watched and reaped
/// nevertheless.
fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Chooses by what the kernel and the sandbox offer. A program with more children than file
/// descriptors would choose `FallbackWatcher` if pidfds are available.
fn choose() -> Backend {
    let has_pidfds = childwatch_pidfd::probe().check().is_ok();
    let hears_children = childwatch_sigchld::probe().check().is_ok();
    match (has_pidfds, hears_children) {
        (true, true) => Backend::Fallback,
        (true, false) => Backend::Pidfd,
        // If this is not available either, the constructor returns the reason.
        (false, _) => Backend::Sigchld,
    }
}

fn make(backend: Backend) -> Result<Box<dyn PidWatcher>, WatchError> {
    Ok(match backend {
        Backend::Pidfd => Box::new(PidfdWatcher::new()?),
        Backend::Sigchld => Box::new(SigchldWatcher::new()?),
        Backend::Fallback => Box::new(FallbackWatcher::new(
            PidfdSource::new()?,
            SigchldSource::new()?,
        )?),
    })
}

/// The program's own work, in terms of the trait.
fn supervise(watcher: &dyn PidWatcher, command: &[String]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("a command is needed")?;
    let (sender, receiver) = mpsc::channel();
    let spawned = watcher.spawn_watched(Command::new(program).args(arguments), move |exit| {
        // An error means that the receiver is gone, and needs no exit any more.
        let _ = sender.send(exit);
    });
    let (mut child, _handle) = spawned.with_context(|| format!("cannot start {program:?}"))?;
    say(format_args!("watching process {}", child.id()));
    let exit = receiver.recv();
    let reaped = child.wait();
    let exit = exit?;
    say(format_args!("{exit}"));
    // If this program was started with SIGCHLD ignored, the kernel has reaped the child. Then
    // only the watcher knows its status.
    let status = reaped.or_else(|error| exit.status().ok_or(error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
