//! `cargo xtask soak`: makes random calls from many threads on thousands of real children,
//! for minutes, and counts the outcomes.
//!
//! Each backend has a process of its own. If the system allows it, the process is process 1
//! of a pid namespace with few pids. The pids are then reused quickly, and all processes end
//! with it.

use std::process::ExitCode;
use std::time::Duration;

use childwatch_command::names;
use childwatch_command::numbers::whole;
use childwatch_proofs::backends;
use childwatch_proofs::broken::{self, Broken};
use childwatch_ptrace_free_tests::BackendUnderTest;
use clap::ValueEnum;

mod message;
mod numbers;
mod part;
mod place;
mod process;
mod progress;
mod run;
mod settings;
mod table;

pub(crate) use process::{Args as ProcessArgs, main as process};

use place::Place;
use settings::Soak;

/// Make random calls from many threads on thousands of real children, and count the outcomes.
///
/// Exits with 1 if a callback is lost, doubled, early or wrong, or if something is leaked.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The minutes for each backend. Fractions are allowed.
    #[arg(long, value_name = "M", default_value = "1", value_parser = minutes)]
    minutes: Duration,

    /// Run only this backend. May be given more than once.
    #[arg(long, value_name = "NAME", value_enum)]
    backend: Vec<Backend>,

    /// The seed of the random calls. [default: another one each time]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,

    /// The number of children that live at a time.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = whole::<usize>(1..=1_000_000))]
    children: usize,

    /// The number of threads that share the children.
    #[arg(long, value_name = "N", default_value = "4", value_parser = whole::<usize>(1..=10_000))]
    threads: usize,

    /// Use no pid namespace, even if one is available.
    #[arg(long)]
    plain: bool,

    /// Run only this broken watcher, which is wrong now and then. The soak must find it.
    #[arg(long, value_name = "NAME", hide = true, value_parser = broken_watcher)]
    broken: Option<&'static Broken>,

    /// The seconds after which a callback that is due counts as lost.
    #[arg(long, value_name = "S", default_value = "30", hide = true, value_parser = seconds)]
    patience: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Pidfd,
    Sigchld,
    SigchldNoHeartbeat,
    Fallback,
    PidfdDriven,
    SigchldDriven,
    SigchldDrivenNoHeartbeat,
    FallbackDriven,
    All,
}

/// Each backend with real processes, but `forwarded`.
const ALL: &[&str] = &[
    "pidfd",
    "sigchld",
    "sigchld-no-heartbeat",
    "fallback",
    "pidfd-driven",
    "sigchld-driven",
    "sigchld-driven-no-heartbeat",
    "fallback-driven",
];

impl Backend {
    fn names(self) -> &'static [&'static str] {
        match self {
            Backend::Pidfd => &["pidfd"],
            Backend::Sigchld => &["sigchld"],
            Backend::SigchldNoHeartbeat => &["sigchld-no-heartbeat"],
            Backend::Fallback => &["fallback"],
            Backend::PidfdDriven => &["pidfd-driven"],
            Backend::SigchldDriven => &["sigchld-driven"],
            Backend::SigchldDrivenNoHeartbeat => &["sigchld-driven-no-heartbeat"],
            Backend::FallbackDriven => &["fallback-driven"],
            Backend::All => ALL,
        }
    }
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let seed = args.seed.unwrap_or_else(new_seed);
    let place = Place::find(args.plain, args.children)?;
    println!("Seed {seed}; {place}");
    let soaks: Vec<_> = args
        .backends()
        .into_iter()
        .filter(|name| is_available(name))
        .map(|backend| Soak {
            backend,
            seed,
            children: args.children,
            threads: args.threads,
            time: args.minutes,
            patience: args.patience,
        })
        .collect();
    let mut results = Vec::new();
    for soak in soaks {
        let result = soak.run(&place)?;
        for fault in &result.faults {
            println!("✗ {}, seed {seed}: {fault}", soak.backend);
        }
        results.push((soak, result));
    }
    println!("\n{}", table::of(&results));
    let is_anything = !results.is_empty();
    Ok(
        if is_anything && results.iter().all(|(_, result)| result.is_well()) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
    )
}

impl Args {
    fn backends(&self) -> Vec<String> {
        if let Some(broken) = self.broken {
            return vec![broken.name.to_owned()];
        }
        let mut names = Vec::new();
        let asked = match &self.backend[..] {
            [] => &[Backend::All],
            asked => asked,
        };
        for name in asked.iter().flat_map(|backend| backend.names()) {
            if !names.iter().any(|known| known == name) {
                names.push((*name).to_owned());
            }
        }
        names
    }
}

/// Returns `true` if the backend is available, and otherwise prints the reason.
fn is_available(name: &str) -> bool {
    let known = backends::ALL.iter().find(|backend| backend.name() == name);
    let available = match known {
        Some(backend) => backend.is_available(),
        None => broken::named(name).map_or(Ok(()), |broken| broken.is_available()),
    };
    match available {
        Ok(()) => true,
        Err(reason) => {
            println!("– {name}: {reason}");
            false
        }
    }
}

fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |since| since.as_secs())
}

fn minutes(text: &str) -> Result<Duration, &'static str> {
    duration(text, 60.0).ok_or("it takes a number of minutes above 0, such as 0.5")
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    duration(text, 1.0).ok_or("it takes a number of seconds above 0, such as 0.5")
}

fn duration(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    let time = Duration::try_from_secs_f64(number * unit).ok()?;
    (!time.is_zero()).then_some(time)
}

fn broken_watcher(name: &str) -> Result<&'static Broken, String> {
    let names = broken::all().map(|broken| broken.name);
    broken::named(name).ok_or_else(|| names::unknown("broken watcher", name, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_may_be_fractions_and_nothing_else() {
        assert_eq!(minutes("0.5"), Ok(Duration::from_secs(30)));
        for text in ["0", "-1", "NaN", "inf", "1e300", "one"] {
            assert!(minutes(text).is_err(), "{text}");
        }
    }
}
