//! One wait for several processes: the first of them, or all.

use std::time::{Duration, Instant};

use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::wait::exit_set::ExitSet;

pub(crate) fn wait_first<W: PidWatcher + ?Sized>(
    watcher: &W,
    pids: impl IntoIterator<Item = Pid>,
    timeout: Duration,
) -> Result<Option<Exit>, WatchError> {
    let set = set_of(watcher, pids)?;
    if let Some(exit) = set.wait_timeout(timeout)? {
        return Ok(Some(exit));
    }
    // The looks come before the set is dropped, so that they mean its processes.
    let mut looks = set.pids().into_iter().map(|pid| watcher.try_wait(pid));
    let found = looks.find_map(Result::transpose);
    // What the watcher reports is truer than a look, which fails after the process was reaped.
    match set.try_wait()? {
        Some(exit) => Ok(Some(exit)),
        None => found.transpose(),
    }
}

pub(crate) fn wait_all<W: PidWatcher + ?Sized>(
    watcher: &W,
    pids: impl IntoIterator<Item = Pid>,
    timeout: Duration,
) -> Result<Vec<Exit>, WatchError> {
    let start = Instant::now();
    let set = set_of(watcher, pids)?;
    let mut exits = Vec::new();
    while let Some(exit) = set.wait_timeout(timeout.saturating_sub(start.elapsed()))? {
        exits.push(exit);
    }
    let looks = set.pids().into_iter().map(|pid| watcher.try_wait(pid));
    let mut found: Vec<_> = looks.filter_map(|look| look.ok().flatten()).collect();
    while let Some(exit) = set.try_wait()? {
        if let Some(same) = found.iter().position(|found| found.pid() == exit.pid()) {
            found.swap_remove(same);
        }
        exits.push(exit);
    }
    exits.extend(found);
    Ok(exits)
}

fn set_of<W: PidWatcher + ?Sized>(
    watcher: &W,
    pids: impl IntoIterator<Item = Pid>,
) -> Result<ExitSet<&W>, WatchError> {
    let set = ExitSet::new(watcher);
    for pid in pids {
        set.insert(pid)?;
    }
    Ok(set)
}
