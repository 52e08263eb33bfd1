//! What this machine allows a slice.

use std::io;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::candidate::Refused;

/// How many file descriptors a candidate needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fds {
    OneAChild,
    NoneAChild,
}

/// Those of the program, of a crowd's gate, and of a candidate's own.
const OTHER_FDS: usize = 64;

/// The highest fd that the table is grown for.
const HIGHEST_FD: u64 = 1 << 20;

/// Raises the limit on open files as far as it goes, and has the kernel grow the table of
/// files for it.
///
/// Growing it as fds are opened is no candidate's doing, and would drown what is: while
/// others share the table, threads or a crowd, each doubling waits for a grace period of
/// RCU, ten milliseconds or so.
pub(crate) fn raise() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    let highest = maximum.unwrap_or(HIGHEST_FD).min(HIGHEST_FD) - 1;
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
