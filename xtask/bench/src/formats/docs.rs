//! The report as pages of the documentation: `README.md`, `results.json`, and plots.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::plot::{self, Drawn};
use super::{cells, json, markdown};
use crate::candidates;
use crate::results::report::Report;
use crate::results::tables::tables;

/// Writes all pages into a directory.
pub(crate) fn write(directory: &Path, report: &Report) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    let drawn = plot::write(directory, &tables(report))?;
    let mut results = BufWriter::new(File::create(directory.join("results.json"))?);
    json::write(&mut results, report)?;
    results.flush()?;
    let mut page = BufWriter::new(File::create(directory.join("README.md"))?);
    write_page(&mut page, report, &drawn)?;
    page.flush()?;
    Ok(())
}

const HEAD: &str = "\
# childwatch beside other ways to learn of an exit

Written by `cargo xtask bench --docs docs/bench`, in one run. The numbers are in
[results.json](results.json) too.

Each measurement is made in a process of its own. In a round, all candidates are measured one after
another, with every number of children. There are several rounds, so that other work of the machine
falls on all candidates.

For the latency this is not enough, because the speed of the machine changes from one second to the
next. There the processes of a round exist at the same time, each with its own idle children. They
take turns of five exits each, in an order in which each follows each other equally often.

The rows `latency`, `loop` and `task-…` are measured in this way. In the rows of tasks the floor is
`AsyncFd+status`, and each child is a fork with memory of its own, because `tokio::process` and
`async-process` start their children themselves. The kernel frees that memory in the measured time.

| row | what gets the exit |
|---|---|
| `latency` | a callback, on a thread that does nothing else |
| `loop` | a callback in the loop of a program, over epoll |
| `task-tokio`, `task-tokio-threads` | a task of tokio, with one thread or two. A threaded watcher wakes it from its own thread. For a driven watcher, another task of the runtime drives |
| `task-async-io` | the same with async-io and async-executor |

A child that exits alone sends a signal that names it. Three rows measure exits that no signal
names. A watcher that relies on SIGCHLD has to look for these children:

| row | children that exit | signals |
|---|---|---|
| `merged` | 50 at once. Each callback reaps its child. In the figures \"behind an unreaped zombie\" the program's oldest child is a zombie that nobody watches or reaps | merged by the kernel: a few, each of which names one child |
| `reaped` | 10 at once, which another thread of the program reaps | one, which names none of the children |
| `silent` | one after ten seconds of calm, then 20 in two seconds | none |

| candidate | what it is |
|---|---|
| `floor` | one thread in `epoll_wait` on raw pidfds, and a boxed closure behind each: no table, no cancellation, no status |
| `floor+status` | the same, which asks `waitid` for the status of each exit |
| `floor+status+nested` | the same in a loop with one descriptor for all exits: the pidfds are in an epoll instance, which is in that of the loop |
| `AsyncFd+status` | a task a child, which awaits a bare pidfd (`AsyncFd`, or async-io's `Async`) and then asks `waitid` for the status |
| `old design` | the child watcher that childwatch comes from: one mutex, a table by pid, ten events a wait |
| `thread` | a thread a child, blocked in `waitid` |
| `tokio` | a task a child, awaiting an `AsyncFd` on its pidfd; no status |
| `tokio::process`, `async-process` | children of their own, which they reap |
| `pidfd`, `sigchld` | childwatch |
| `sigchld+blocked` | `sigchld` in a program that blocks SIGCHLD on its own threads, so that the signals go to the watcher's thread |
| `fallback` | childwatch: pidfds while there are file descriptors, of which 20,000 are allowed, and SIGCHLD beyond |
| `pidfd-driven`, `sigchld-driven`, `fallback-driven` | the same without a thread of their own: a loop or a task of the program drives |

Not among them:
";

const LIMITS: &str = "\
50,000 children need more pids than many machines have. The same holds for 16,000 children of each
candidate at once. Without room, the candidates take turns in smaller groups, each with the floor in
it, or are measured one by one. A new pid namespace adds no pids, because a process has a pid in
each outer namespace too. With `--raise-pid-max`, root raises `kernel.pid_max` for the time of the
run.
";

fn write_page(out: &mut impl Write, report: &Report, drawn: &[Drawn]) -> io::Result<()> {
    writeln!(out, "{HEAD}")?;
    for absent in candidates::ABSENT {
        writeln!(out, "- {absent}.")?;
    }
    writeln!(out, "\n{LIMITS}")?;
    markdown::write_targets(out, report)?;
    let tables = tables(report);
    for row in report.rows() {
        writeln!(out, "## {}\n", row.title)?;
        for plot in drawn.iter().filter(|plot| plot.row == row.name) {
            writeln!(out, "![{}]({})\n", plot.title, plot.file)?;
        }
        for table in tables.iter().filter(|it| it.row.name == row.name) {
            markdown::write_table(out, table, &cells::title(table.figure))?;
        }
    }
    writeln!(out, "## Remarks\n")?;
    markdown::write_remarks(out, report)
}
