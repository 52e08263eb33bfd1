//! What this machine allows a slice.

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

/// Raises the limit on open files as far as it goes.
pub(crate) fn raise() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
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
