//! The limits of this machine for a slice.

use std::fs;
use std::io;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::refused::Refused;
use crate::figures::numbers;

/// How many file descriptors a candidate needs for each child.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fds {
    OneAChild,
    NoneAChild,
}

/// The other file descriptors: of the program, of a crowd's gate, and of the candidate.
const OTHER_FDS: usize = 64;

/// The limit of a slice. With more children a fallback falls back, on any machine.
const MOST_FDS: u64 = 20_000;

/// The limit on pids. Since Linux 6.14 it belongs to a pid namespace. The limits of the
/// namespaces around it hold as well, because a process has a pid in each.
pub(crate) const PID_MAX: &str = "/proc/sys/kernel/pid_max";
const THREADS_MAX: &str = "/proc/sys/kernel/threads-max";

/// Pids that a crowd cannot have: the first 300 are not reused, and others may start
/// processes meanwhile.
pub(crate) const OTHER_PROCESSES: usize = 600;

/// Sets the limit on open files to [`MOST_FDS`], or to the hard limit if that is less, and
/// makes the kernel grow the table of files to it.
///
/// Otherwise the table would grow while a candidate is measured. If threads or a crowd share
/// the table, each doubling waits for an RCU grace period of about ten milliseconds.
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

/// Returns [`Refused`] if a candidate cannot watch this many children.
pub(crate) fn check(fds: Fds, children: usize) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    match fds {
        Fds::OneAChild if (children + OTHER_FDS) as u64 > limit => {
            Err(Refused(format!("RLIMIT_NOFILE is {limit}")).into())
        }
        Fds::OneAChild | Fds::NoneAChild => Ok(()),
    }
}

/// Returns [`Refused`] if there are too few pids for this many more processes. The pids are
/// those of the whole machine. An attempt would keep every other program from forking.
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

/// Explains why this many processes could not be created: [`Refused`] if it is a limit.
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

/// Reads a file that holds one number.
pub(crate) fn read(path: &str) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Returns the number of processes and threads on this machine.
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
