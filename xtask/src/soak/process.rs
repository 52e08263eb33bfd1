//! The processes of a soak, which run this program again.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use childwatch_proofs::soak::{Order, Progress, run};
use childwatch_proofs::{backends, broken};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::machine::namespace;
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

use super::message::Message;
use super::part::Part;
use super::settings::Soak;

/// A broken watcher is wrong in one call of this many.
const RARELY: NonZeroUsize = NonZeroUsize::new(500).expect("it is not 0");

/// A process of a soak. It is not started by hand.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(value_enum)]
    part: Part,
    backend: String,
    seed: u64,
    children: usize,
    threads: usize,
    seconds: f64,
    patience: f64,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    // Each part ends with its parent, whose only thread has started it.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let soak = args.soak()?;
    match args.part {
        Part::Try => start_in_namespace(Part::TryInside, &soak),
        Part::Enter => start_in_namespace(Part::Inside, &soak),
        Part::TryInside => {
            settle_in(&soak)?;
            if let Some(pid_max) = namespace::pid_max() {
                println!("{pid_max}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Part::Inside => {
            settle_in(&soak)?;
            carry_out(&soak)
        }
        Part::Plain => carry_out(&soak),
    }
}

impl Args {
    fn soak(&self) -> anyhow::Result<Soak> {
        Ok(Soak {
            backend: self.backend.clone(),
            seed: self.seed,
            children: self.children,
            threads: self.threads,
            time: Duration::try_from_secs_f64(self.seconds)?,
            patience: Duration::try_from_secs_f64(self.patience)?,
        })
    }
}

fn start_in_namespace(part: Part, soak: &Soak) -> anyhow::Result<ExitCode> {
    namespace::leave_for_a_new_one().map_err(|reason| anyhow!(reason))?;
    let status = part.command(soak)?.status().context("process 1")?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn settle_in(soak: &Soak) -> anyhow::Result<()> {
    namespace::settle_in(soak.pid_max()).map_err(|reason| anyhow!(reason))
}

/// Runs the soak itself.
fn carry_out(soak: &Soak) -> anyhow::Result<ExitCode> {
    raise_open_files(soak.children)?;
    let order = Order {
        backend: backend(&soak.backend)?,
        seed: soak.seed,
        children: soak.children,
        threads: soak.threads,
        time: soak.time,
        patience: soak.patience,
    };
    let outcome = run(&order, |progress: &Progress| {
        say(&Message::Progress {
            seconds: progress.elapsed.as_secs_f64(),
            counts: progress.counts.into(),
            fds: progress.fds,
            memory: progress.memory,
        });
    })?;
    say(&Message::Done {
        counts: outcome.counts.into(),
        peak_fds: outcome.peak_fds,
        memory: outcome.memory,
        faults: outcome.faults,
    });
    Ok(ExitCode::SUCCESS)
}

fn say(message: &Message) {
    match serde_json::to_string(message) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("{error}"),
    }
}

fn backend(name: &str) -> anyhow::Result<&'static dyn BackendUnderTest> {
    if let Some(backend) = backends::ALL.iter().find(|known| known.name() == name) {
        return Ok(*backend);
    }
    let broken = broken::named(name).with_context(|| format!("{name} is no backend"))?;
    broken::be_wrong_in_one_call_of(RARELY);
    Ok(broken)
}

/// Raises the limit on open files. A watched child needs up to three: its own, one for a
/// watcher of its own, and one for a registration that is left.
fn raise_open_files(children: usize) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("RLIMIT_NOFILE")?;
    let wanted = children as u64 * 3 + 100;
    ensure!(
        limit.maximum.is_none_or(|most| most >= wanted),
        "RLIMIT_NOFILE is {limit:?}, and {wanted} are needed: fewer --children"
    );
    Ok(())
}
