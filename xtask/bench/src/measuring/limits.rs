//! What this machine allows a slice.

use std::fs;
use std::io;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::refused::Refused;
use crate::figures::numbers;

/// How many file descriptors a candidate needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fds {
    OneAChild,
    NoneAChild,
}

/// Those of the program, of a crowd's gate, and of a candidate's own.
const OTHER_FDS: usize = 64;

/// As many as a slice may have: beyond, a fallback falls back, on any machine.
const MOST_FDS: u64 = 20_000;

/// The highest number of a process, of this pid namespace from Linux 6.14 on. Those of
/// the namespaces around it bind as well: a process has a number in each.
pub(crate) const PID_MAX: &str = "/proc/sys/kernel/pid_max";
const THREADS_MAX: &str = "/proc/sys/kernel/threads-max";

/// The first 300 numbers are not given a second time, and somebody may begin something.
pub(crate) const OTHER_PROCESSES: usize = 600;

/// Sets the limit on open files to [`MOST_FDS`], or as far as it goes, and has the kernel
/// grow the table of files for it.
///
/// Growing it as fds are opened is no candidate's doing, and would drown what is: while
/// others share the table, threads or a crowd, each doubling waits for a grace period of
/// RCU, ten milliseconds or so.
pub(crate) fn set() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = maximum.unwrap_or(MOST_FDS).min(MOST_FDS);
    let limit = Rlimit {
        current: Some(most),
        maximum,
    };
    setrlimit(Resource::Nofile, limit)?;
    let highest = most - 1;
    let grown = fcntl_dupfd_cloexec(io::stdin(), highest.try_into()?)?;
    drop(grown);
    Ok(())
}

/// Whether so many children may be watched; [`Refused`] if not.
pub(crate) fn check(fds: Fds, children: usize) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    match fds {
        Fds::OneAChild if (children + OTHER_FDS) as u64 > limit => {
            Err(Refused(format!("RLIMIT_NOFILE is {limit}")).into())
        }
        Fds::OneAChild | Fds::NoneAChild => Ok(()),
    }
}

/// Whether there are numbers for so many processes more; [`Refused`] if not. They are
/// the whole machine's: trying it would keep every other program from forking.
pub(crate) fn check_processes(count: usize) -> Result<(), Refused> {
    let tasks = tasks().unwrap_or_default();
    for sysctl in [PID_MAX, THREADS_MAX] {
        let limit = read(sysctl).unwrap_or(usize::MAX);
        if count + tasks + OTHER_PROCESSES > limit {
            let name = sysctl.trim_start_matches("/proc/sys/").replace('/', ".");
            let reason = format!(
                "{name} is {limit}, which leaves no room for {} processes",
                numbers::count(count)
            );
            return Err(Refused(reason));
        }
    }
    Ok(())
}

/// Why so many processes could not be made: [`Refused`] where it is a limit.
pub(crate) fn explain(count: usize, error: io::Error) -> anyhow::Error {
    if Errno::from_io_error(&error) != Some(Errno::AGAIN) {
        return error.into();
    }
    let nproc = getrlimit(Resource::Nproc).current;
    let nproc = nproc.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    Refused(format!(
        "no room for {} processes: RLIMIT_NPROC is {nproc}; or pids.max of a cgroup, or \
         kernel.pid_max of a pid namespace around this one, is less",
        numbers::count(count)
    ))
    .into()
}

/// A file that holds one number.
pub(crate) fn read(path: &str) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Processes and threads on this machine.
pub(crate) fn tasks() -> Option<usize> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    let (_running, all) = load.split(' ').nth(3)?.split_once('/')?;
    all.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_processes_than_there_are_numbers_are_refused_with_the_reason() {
        let Refused(reason) = check_processes(1 << 23).unwrap_err();
        assert!(reason.starts_with("kernel.pid_max is "), "{reason}");
    }

    #[test]
    fn a_limit_refuses_and_another_error_fails() {
        let limit = explain(9, Errno::AGAIN.into());
        assert!(limit.downcast_ref::<Refused>().is_some());
        let other = explain(9, Errno::NOMEM.into());
        assert!(other.downcast_ref::<Refused>().is_none());
    }
}
