//! A supervisor of services: it starts them, restarts them, and ends them in order.
//!
//! ```console
//! $ cargo run -p childwatch-pidfd --features sigchld --example supervisor -- services.toml
//! ```
//!
//! ```toml
//! [[service]]
//! name = "database"
//! command = ["postgres", "-D", "data"]
//! stop_timeout = 30      # Seconds from SIGTERM to SIGKILL. The default is 5.
//!
//! [[service]]
//! name = "web"
//! command = ["./web", "--port", "80"]
//! restart = "on-failure" # Or "always", which is the default, or "never".
//! backoff = 0.5          # Seconds before the first restart. Each failure doubles them.
//! backoff_max = 60       # A service that has lived so long begins anew with `backoff`.
//! log = "web.log"        # Where its output goes. The default is nowhere.
//! ```
//!
//! - Services start in the order of the file. SIGINT or SIGTERM ends them in the opposite order, one
//!   after the other: SIGTERM to the service, and SIGKILL after `stop_timeout`. A second signal
//!   kills all of them at once.
//! - Each service leads a process group. When it has exited, and before it is reaped, the rest of
//!   its group is killed. So a restarted service meets no process of its former life, and no other
//!   group can have got the number. (A process that leaves the group, by `setsid`, escapes.)
//! - If the supervisor itself is killed, the kernel kills the services.
//! - On a terminal it shows a table, and elsewhere a line for each event.

mod config;
mod exits;
mod screen;
mod service;
mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use exits::{Backend, Exits};
use screen::Screen;
use supervisor::Supervisor;

/// Starts services, restarts them, and ends them in order.
#[derive(Parser)]
struct Args {
    /// The services, as TOML.
    config: PathBuf,
    /// How exits are noticed.
    #[arg(long, value_enum, default_value = "auto")]
    backend: Backend,
    /// Notice exits in the supervisor's own loop, without a second thread.
    #[arg(long)]
    no_thread: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("supervisor: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns `true` if no service has failed for good.
fn run(args: &Args) -> Result<bool> {
    let services = config::read(&args.config)?;
    let exits = Exits::new(args.backend, args.no_thread)?;
    Supervisor::new(services, exits, Screen::new())?.run()
}
