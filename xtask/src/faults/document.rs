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

Each system call that a watcher makes is made to fail with each error that it can give:
those of its manual page, and what sandboxes answer instead of the kernel. `cargo xtask
faults` runs all of it, and `cargo xtask ci faults` compares the outcome with this page.

In each trial a process of its own makes a watcher, registers ten children and three
numbers that can't be registered, lets the children exit one by one, one of them reaped
before the watcher can look, registers late callbacks, unregisters, registers anew, and
drops the watcher. One call fails in one phase of it: the first of that phase alone; the
n-th alone (the second, the third and so on, as often as the call is made for sure); each
call until the phase is over; or each call from there to the end. Errors that the kernel
never gives time and again (`EINTR`, a full eventfd's `EAGAIN`) fail one call only.

Whatever fails, nothing panics, hangs, or is left behind; an exit is told once, with the
right status or none; an error names the process, the operation and the kernel's own
error; and when the fault is over, watchers can be made and processes registered as ever.
Anything else fails the run. What may be is this:

- *no effect*: all goes as without the fault. The call was repeated, or done without.
- *no watcher*, *not registered*, *late callback refused*: this error was the answer.
- *refused as*: a number that can't be registered was refused for this reason instead of
  its own.
- *told without status*: the exit was told, its status could not be had. Of the child that
  the program has reaped first, that counts where the failing call is the one that knows.
- *told when it is over*, *not told while it lasts*: the kernel keeps the exit, and the
  watcher asks again.
- *a waiting thread is left*: the watcher was dropped, and its thread could not be woken;
  it runs no callback any more, and ends with the process or with a process that it watches.
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
         ordinary\nuser; before, the status of a child that has been reaped is unknown.\n"
    )?;
    for backend in &matrix.backends {
        writeln!(page, "## {}: {} trials\n", backend.name, backend.trials)?;
        if backend.name == "fallback" {
            writeln!(page, "Every second process spills over to `SIGCHLD`.\n")?;
        }
        writeln!(page, "{}\n", backend.table(ASCII_MARKDOWN))?;
    }
    writeln!(page, "## What is left out\n")?;
    writeln!(
        page,
        "A trial without a fault looks at every call that the watcher's threads make, and fails \
         if one\nis neither above nor here.\n"
    )?;
    for exempt in EXEMPT {
        writeln!(page, "- {}: {}.", exempt.names, exempt.reason)?;
    }
    writeln!(page, "{TAIL}")?;
    Ok(page)
}

const TAIL: &str =
    "- `ECHILD` of `waitid(P_PID)`, `ESRCH` of `pidfd_send_signal`: no errors but answers, which a
  kernel does not give of a child that lives.
- `EBADF`, `EFAULT`, and `EINVAL` where it means a wrong argument alone: the arguments are
  right.
- `RLIMIT_NPROC`: root is exempt from it; its answer is the `EAGAIN` of `clone3`.";
