//! `cargo xtask ci`: every check that a change must pass, step by step.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use childwatch_proofs::faults;

use childwatch_ptrace_free_tests::{Facility, HOSTS, Host, Need, Sandbox};
use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::models;
use crate::{api, layers, unsafe_code, workspace};
use childwatch_command::parallelism::parallelism;
use childwatch_command::seconds::Seconds;
use done::Done;

mod deny;
mod done;
mod minimal_versions;
mod miri;
mod package;
mod semver;
mod targets;
mod tsan;
mod unpacked;

/// The oldest compiler that the workspace promises.
const MSRV: &str = env!("CARGO_PKG_RUST_VERSION");

/// Run the CI at home: every step, or those named, until the first that fails.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these steps
    #[arg(value_name = "STEP", value_enum)]
    steps: Vec<Step>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Step {
    /// Every test, with those of the documentation and of the bench
    Test,
    /// The formatting
    Fmt,
    /// clippy has no warning for any target or feature
    Clippy,
    /// The documentation builds without a warning
    Docs,
    /// The documentation's examples alone
    Doctest,
    /// The imports between the files of each crate run one way
    Layers,
    /// The public interface of the published crates is that of docs/api, if a nightly is there
    Api,
    /// Every backend in the hosts that need something built first. `test` runs all others
    Hosts,
    /// The conformance suite in every sandbox that seccomp can emulate
    Sandbox,
    /// The backend outside of the workspace builds by itself, and passes the laws and a case
    Outside,
    /// The bench runs and writes its pages, without measuring anything
    Bench,
    /// Each system call of a watcher fails in turn, as docs/faults.md says
    Faults,
    /// Random calls on thousands of children, five seconds for each backend
    Soak,
    /// The models of threads, in every interleaving
    Loom,
    /// The oldest promised compiler compiles the workspace
    Msrv,
    /// The published packages have the right files, and build and pass their doctests unpacked
    Package,
    /// The libraries compile with the oldest versions of their dependencies, if a nightly is there
    MinimalVersions,
    /// The libraries break nothing of the last release, if there is one and cargo-semver-checks
    Semver,
    /// The libraries compile for other architectures and C libraries
    Targets,
    /// The conformance suite on i686 and with musl, where an x86-64 machine can build it
    SuiteElsewhere,
    /// The table of docs/unsafe.md is true
    Unsafe,
    /// Licences, bans, sources and advisories of all dependencies
    Deny,
    /// Miri on the ring that the signal handler writes, if a nightly has it
    Miri,
    /// ThreadSanitizer on the engine and the backends, if a nightly has the sources
    Tsan,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    let steps = match &args.steps[..] {
        [] => Step::value_variants(),
        named => named,
    };
    for step in steps {
        step.take(&shell)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Step {
    /// Runs the step, and prints its name and time.
    fn take(self, shell: &Shell) -> anyhow::Result<()> {
        let name = self.name();
        println!("\n=== {name}");
        let start = Instant::now();
        let done = self
            .run(shell)
            .with_context(|| format!("step `{name}` failed after {}", Seconds(start.elapsed())))?;
        match done {
            Done::Passed => println!("=== {name}: passed in {}", Seconds(start.elapsed())),
            Done::Skipped(reason) => println!("{name} – {reason}"),
        }
        Ok(())
    }

    fn run(self, shell: &Shell) -> anyhow::Result<Done> {
        match self {
            Step::Test => cmd!(shell, "cargo test --workspace").run()?,
            Step::Fmt => cmd!(shell, "cargo fmt --all --check").run()?,
            Step::Clippy => cmd!(
                shell,
                "cargo clippy --workspace --all-targets --all-features -- -D warnings"
            )
            .run()?,
            Step::Docs => cmd!(shell, "cargo doc --workspace --no-deps --all-features")
                .env("RUSTDOCFLAGS", "-Dwarnings")
                .run()?,
            Step::Doctest => cmd!(shell, "cargo test --workspace --doc").run()?,
            Step::Layers => layers::check()?,
            Step::Api => {
                if let Err(reason) = api::check(shell)? {
                    return Ok(Done::Skipped(reason));
                }
            }
            // This is a program of its own, because the steps before may have replaced this
            // program's file.
            Step::Hosts => {
                build_for_hosts(shell)?;
                let jobs = cells_at_a_time();
                let hosts = HOSTS.iter().filter(|host| needs_a_build(host));
                let hosts = hosts.map(|host| format!("--host={}", host.name));
                cmd!(shell, "cargo xtask conformance --jobs {jobs}")
                    .args(hosts)
                    .run()?;
            }
            Step::Sandbox => return sandboxes(shell),
            Step::Bench => {
                let pages = workspace::target().join("bench");
                cmd!(shell, "cargo xtask bench --quick --docs {pages}")
                    .ignore_stdout()
                    .run()?;
            }
            Step::Faults => return refused_calls(shell),
            Step::Outside => outside(shell)?,
            Step::Soak => cmd!(shell, "cargo xtask soak --minutes 0.05").run()?,
            Step::Loom => models::check(shell)?,
            Step::Msrv => return msrv(shell),
            Step::Package => return package::run(shell),
            Step::MinimalVersions => return minimal_versions::run(shell),
            Step::Semver => return semver::run(shell),
            Step::Targets => return targets::check(shell),
            Step::SuiteElsewhere => return targets::run_suite(shell, &cells_at_a_time()),
            Step::Unsafe => unsafe_code::check()?,
            Step::Deny => return deny::run(shell),
            Step::Miri => return miri::run(shell),
            Step::Tsan => return tsan::run(shell),
        }
        Ok(Done::Passed)
    }

    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Returns `true` if the host is unsupported unless `build_for_hosts` has run.
fn needs_a_build(host: &Host) -> bool {
    let built = [Facility::SecondCopy, Facility::StaticProgram].map(Need::Machine);
    host.needs.iter().any(|need| built.contains(need))
}

/// Builds what some hosts run in or load: the plugin with a second copy of the library, and
/// the proofs' program with musl. If musl's part of the standard library is missing, the host
/// that needs it is unsupported, and the report says so.
fn build_for_hosts(shell: &Shell) -> anyhow::Result<()> {
    const PACKAGE: &str = "childwatch-proofs";
    cmd!(
        shell,
        "cargo build --package {PACKAGE} --example second_copy"
    )
    .run()?;
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    if targets::is_installed(shell, &target) {
        cmd!(
            shell,
            "cargo build --package {PACKAGE} --bins --target {target}"
        )
        .run()?;
    } else {
        println!("no {target} here: `rustup target add {target}`");
    }
    Ok(())
}

/// Builds the package `polling_backend` as somebody else would, but into the workspace's target
/// directory and with the workspace's versions. Then most of it is there already.
fn outside(shell: &Shell) -> anyhow::Result<()> {
    let package = Path::new("childwatch-ptrace-free-tests/examples/polling_backend");
    shell.copy_file("Cargo.lock", package.join("Cargo.lock"))?;
    let manifest = package.join("Cargo.toml");
    let target = workspace::target();
    let package = [
        "--manifest-path".as_ref(),
        manifest.as_os_str(),
        "--target-dir".as_ref(),
        target.as_os_str(),
    ];
    let case = ["--case", "a_zombie_is_registered", "--host", "plain"];
    for command in [
        cmd!(shell, "cargo test {package...} --test laws"),
        cmd!(
            shell,
            "cargo run {package...} --example conformance -- {case...}"
        ),
    ] {
        let command = command.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        command.run()?;
    }
    Ok(())
}

/// Returns how many cells run at a time. Most cells wait for a heartbeat or for a child, and not
/// for a processor.
fn cells_at_a_time() -> String {
    (5 * parallelism().get()).to_string()
}

fn sandboxes(shell: &Shell) -> anyhow::Result<Done> {
    if let Err(reason) = Sandbox::can_be_applied() {
        return Ok(Done::Skipped(reason));
    }
    let jobs = cells_at_a_time();
    // The other backends make no other system calls that a sandbox refuses. `faults` refuses those of
    // driven watchers.
    let backends = ["pidfd", "sigchld"].map(|name| format!("--backend={name}"));
    for sandbox in Sandbox::ALL {
        // Elsewhere it is the two others side by side.
        let spills = [Sandbox::NoPidfd, Sandbox::Enomem].contains(sandbox);
        let fallback = spills.then_some("--backend=fallback");
        let sandbox = sandbox.name();
        cmd!(
            shell,
            "cargo xtask conformance --sandbox {sandbox} --jobs {jobs}"
        )
        .args(&backends)
        .args(fallback)
        .run()?;
    }
    Ok(Done::Passed)
}

fn refused_calls(shell: &Shell) -> anyhow::Result<Done> {
    if let Err(reason) = faults::can_be_planted() {
        return Ok(Done::Skipped(reason));
    }
    cmd!(shell, "cargo xtask faults --check").run()?;
    Ok(Done::Passed)
}

/// Uses a target directory of its own, so that the two compilers do not undo each other's
/// work. `xtask-api` is left out, because `public-api` needs a newer compiler.
fn msrv(shell: &Shell) -> anyhow::Result<Done> {
    let toolchain = format!("+{MSRV}");
    let is_installed = cmd!(shell, "cargo {toolchain} --version")
        .env("RUSTUP_AUTO_INSTALL", "0")
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()
        .is_ok();
    if !is_installed {
        return Ok(Done::Skipped(format!(
            "no {MSRV} toolchain here: `rustup toolchain install {MSRV}` \
             (the step clippy checks the standard library's part: incompatible_msrv)"
        )));
    }
    let target = workspace::target().join("msrv");
    cmd!(
        shell,
        "cargo {toolchain} check --workspace --exclude xtask-api --all-targets --target-dir {target}"
    )
    .run()?;
    Ok(Done::Passed)
}
