//! `docs/faults.md`: the outcomes as a page. The page is generated and compared.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use childwatch_proofs::faults::{self, EXEMPT};
use comfy_table::presets::ASCII_MARKDOWN;

use super::matrix::Matrix;
use super::run::Tally;
use crate::workspace;

const HEAD: &str = "\
<!-- Made by `cargo xtask faults --write`. -->

# What watchers do when system calls fail

Each system call that a watcher makes fails here with each error that it can return: those of its
manual page, and those that sandboxes return instead of the kernel. `cargo xtask faults` runs all
trials. `cargo xtask ci faults` compares the outcomes with this page.

A trial is a process of its own, in which one watcher lives:

1. It is made, and ten children are registered. Three pids that cannot be registered are refused.
2. The children exit one by one. One of them is reaped before the watcher can look.
3. Late callbacks are registered, and a zombie is signalled. A pidfd backend is also asked for a
   pidfd, and offered two. Then processes are unregistered, and registered again.
4. The watcher is dropped.

A driven watcher has a loop of the program's, a thread that calls `drive(None)` again and again. After
a refusal it pauses for a millisecond. `SIGCHLD` comes to this thread. The calls that a driven
watcher makes as the others do, on a thread that registers, are in the others' tables.

In one phase of this life one system call fails: the first call alone; the n-th call alone, for every
n that is certain to be reached; each call until the phase is over; or each call from there to the
end. An error that the kernel does not return repeatedly fails one call only (`EINTR`, and `EAGAIN`
of a full eventfd).

These must hold in every trial, or the run fails:

- Nothing panics, hangs, or is left behind.
- An exit is reported once, with the right status or with none.
- An error names the process, the operation, and the kernel's own error.
- When the fault is over, watchers can be made and processes can be registered again.

The outcomes:

| outcome | meaning |
|---|---|
| *no effect* | Everything is as without the fault. The call was repeated, or was not needed. |
| *no watcher*, *not registered*, *late callback refused*, *pidfd refused*, *signal refused* | The call returned this error. |
| *refused as* | A pid that cannot be registered was refused for this reason, and not for its own. |
| *told without status* | The exit was reported without its status. For the child that was reaped first, this is noted only if the failing call is the one that returns the status. |
| *told when it is over*, *not told while it lasts* | The kernel keeps the exit, and the watcher asks again. |
| *a waiting thread is left* | The watcher was dropped, and its thread could not be woken. The thread runs no callback, and ends with the process, or with a process that it watches. |
| *its loop is not woken* | The watcher was dropped, and its driver, which waited, could not be woken. The program learns of the end when it drives next: with `SIGCHLD` after a heartbeat, with pidfds alone when its own time limit is over. |
";

/// Writes the page.
pub(crate) fn write(matrix: &Matrix, tally: &Tally) -> anyhow::Result<()> {
    comparable(tally).map_err(anyhow::Error::msg)?;
    fs::write(path(), page(matrix)?).context("docs/faults.md")
}

/// Compares the page with these outcomes, if that is possible here.
pub(crate) fn check(
    out: &mut impl Write,
    matrix: &Matrix,
    tally: &Tally,
) -> anyhow::Result<ExitCode> {
    if let Err(reason) = comparable(tally) {
        writeln!(out, "– docs/faults.md is not compared: {reason}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let written = fs::read_to_string(path()).context("docs/faults.md")?;
    let page = page(matrix)?;
    // If the widest word of a table changes, all its lines change.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let known: HashSet<_> = written.lines().map(words).collect();
    for line in page.lines().map(words).filter(|line| !known.contains(line)) {
        writeln!(out, "✗ not in docs/faults.md: {line}")?;
    }
    ensure!(
        page == written,
        "docs/faults.md is out of date: `cargo xtask faults --write`"
    );
    Ok(ExitCode::SUCCESS)
}

fn comparable(tally: &Tally) -> Result<(), String> {
    if tally.skipped > 0 {
        return Err(format!("{} trials could not be run here", tally.skipped));
    }
    faults::can_be_compared()
}

fn path() -> PathBuf {
    workspace::root().join("docs").join("faults.md")
}

fn page(matrix: &Matrix) -> anyhow::Result<String> {
    let mut page = String::from(HEAD);
    writeln!(
        page,
        "\nThe outcomes are the same on every kernel from Linux 6.15 on, as root and as an \
         ordinary user. On\nolder kernels the status of a child that has been reaped is unknown.\n"
    )?;
    for backend in &matrix.backends {
        writeln!(page, "## {}: {} trials\n", backend.name, backend.trials)?;
        if backend.name.starts_with("fallback") {
            writeln!(page, "Every second process spills over to `SIGCHLD`.\n")?;
        }
        writeln!(page, "{}\n", backend.table(ASCII_MARKDOWN))?;
    }
    writeln!(page, "## What is left out\n")?;
    writeln!(
        page,
        "A trial without a fault looks at every system call of the watcher's threads. It fails \
         if a call is\nneither above nor here.\n"
    )?;
    for exempt in EXEMPT {
        writeln!(page, "- {}: {}.", exempt.names, exempt.reason)?;
    }
    writeln!(page, "{TAIL}")?;
    Ok(page)
}

const TAIL: &str =
    "- `ECHILD` of `waitid(P_PID)`, `ESRCH` of `pidfd_send_signal`: these are answers and not errors. The
  kernel does not give them for a child that is alive.
- `EBADF`, `EFAULT`, and `EINVAL` where it means only a wrong argument: the arguments are right.
- `RLIMIT_NPROC`: root is exempt from it. Its error is `EAGAIN` of `clone3`, which is in the tables.";
