//! The machine: its description, and the processor of a pinned slice.

use std::env;
use std::fs;
use std::thread;

use anyhow::Context;
use rustix::system::uname;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins this process and its children to the last allowed processor.
pub(crate) fn pin() -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|&cpu| allowed.is_set(cpu));
    let mut pinned = CpuSet::new();
    pinned.set(last.context("no processor is allowed")?);
    Ok(sched_setaffinity(None, &pinned)?)
}

/// Describes the kernel, the processors, and the present load. Called before the run.
pub(crate) fn describe() -> String {
    let uname = uname();
    let (name, release) = (uname.sysname(), uname.release());
    let (name, release) = (name.to_string_lossy(), release.to_string_lossy());
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let model = model().unwrap_or_else(|| env::consts::ARCH.to_owned());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{name} {release}, {processors} processors ({model}), a load of {load} before the run")
}

/// Returns the name of the processor's model.
fn model() -> Option<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").ok()?;
    let mut lines = processors.lines();
    let line = lines.find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}
