//! C19: watchers that forget a pidfd, take it away, or mean its number.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use childwatch_core::source::{ExitSource, Token};
use childwatch_core::{ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{PidfdFlags, pidfd_open};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, FailedLaw, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, by_itself, over_pidfds};
use super::watcher::{WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::{C2, C16, C19};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::death;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "denies-pidfds",
        fault: "It claims to offer pidfds, and does not.",
        breaks: Rule::Clause(C19),
        watcher: with::<DeniesPidfds>,
        fails: &[
            (
                "a_process_is_registered_by_its_pidfd",
                Saying("Unsupported"),
            ),
            ("pidfds_are_offered_or_unsupported", Saying("Unsupported")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "watches-only-children-by-pidfd",
        fault: "A pidfd of a process that is no child is accepted, and its exit is never reported.",
        breaks: Rule::Clause(C19),
        watcher: with::<WatchesOnlyChildrenByPidfd>,
        fails: &[(
            "a_process_is_registered_by_its_pidfd",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "unblocks-the-callers-pidfd",
        fault: "It clears `O_NONBLOCK` on the file of a pidfd that it is offered.",
        breaks: Rule::Clause(C19),
        watcher: with::<UnblocksTheCallersPidfd>,
        fails: &[("an_offered_pidfd_stays_the_callers", Saying("its flags"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "returns-a-pidfd-to-inherit",
        fault: "A pidfd that it returns is not close-on-exec.",
        breaks: Rule::Clause(C19),
        watcher: with::<ReturnsAPidfdToInherit>,
        fails: &[(
            "a_pidfd_that_is_asked_for_means_the_registered_process",
            Saying("a program inherits it"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "registers-a-file-once",
        fault: "A pidfd whose file has been registered before is refused, as by epoll.",
        breaks: Rule::Clause(C19),
        watcher: with::<RegistersAFileOnce>,
        fails: &[(
            "duplicates_that_are_kept_harm_no_later_registration",
            Saying("AlreadyExists"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "answers-with-an-errno",
        fault: "What is wrong with a pidfd is not told, except by an errno.",
        breaks: Rule::Clause(C2),
        watcher: with::<AnswersWithAnErrno>,
        fails: &[(
            "what_cannot_be_registered_by_a_pidfd_is_refused",
            Saying("Os {"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "keeps-a-pidfd",
        fault: "A duplicate of each pidfd that is registered stays open.",
        breaks: Rule::Clause(C16),
        watcher: with::<KeepsAPidfd>,
        fails: &[(
            "registrations_by_pidfd_leave_nothing",
            InVain("now there is"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "opens-the-number-anew",
        fault: "The pidfd of a registered process is opened by its number when it is asked for.",
        breaks: Rule::Law(13),
        watcher: over_pidfds::<OpensTheNumberAnew>,
        fails: &[
            (
                "a_pidfd_means_a_process_and_not_its_number",
                Saying("the new process's"),
            ),
            (
                "a_pidfd_that_is_asked_for_means_the_registered_process",
                Saying("NoSuchProcess"),
            ),
        ],
        law: Some(FailedLaw {
            test: "s13_a_pidfd_means_its_process_and_not_the_number",
            how: Saying("NotRegistered"),
            source: by_itself::<OpensTheNumberAnew>,
        }),
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct DeniesPidfds;

fn unsupported<T>() -> Result<T, WatchError> {
    Err(WatchError::Unsupported {
        operation: "pidfds",
        pid: None,
        source: io::ErrorKind::Unsupported.into(),
    })
}

impl WatcherFault for DeniesPidfds {
    fn register_pidfd(&self, _: &dyn PidWatcher, _: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        unsupported()
    }

    fn watch_pidfd(
        &self,
        _good: &dyn PidWatcher,
        _pidfd: BorrowedFd<'_>,
        _callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        unsupported()
    }

    fn pidfd(&self, _good: &dyn PidWatcher, _pid: Pid) -> Result<OwnedFd, WatchError> {
        unsupported()
    }
}

#[derive(Debug, Default)]
struct WatchesOnlyChildrenByPidfd;

impl WatcherFault for WatchesOnlyChildrenByPidfd {
    fn watch_pidfd(
        &self,
        good: &dyn PidWatcher,
        pidfd: BorrowedFd<'_>,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
        let info = fs::read_to_string(path).unwrap_or_default();
        let number = info.lines().find_map(|line| line.strip_prefix("Pid:"));
        let pid = number.and_then(|number| number.trim().parse::<Pid>().ok());
        match pid {
            Some(pid) if !death::is_child(pid) => {
                mem::forget(callback);
                Ok(WatchHandle::new_unique(pid))
            }
            _ => good.watch_pidfd(pidfd, callback),
        }
    }
}

#[derive(Debug, Default)]
struct UnblocksTheCallersPidfd;

impl WatcherFault for UnblocksTheCallersPidfd {
    fn register_pidfd(
        &self,
        good: &dyn PidWatcher,
        pidfd: BorrowedFd<'_>,
    ) -> Result<Pid, WatchError> {
        if let Ok(flags) = fcntl_getfl(pidfd) {
            let _ = fcntl_setfl(pidfd, flags - OFlags::NONBLOCK);
        }
        good.register_pidfd(pidfd)
    }
}

#[derive(Debug, Default)]
struct ReturnsAPidfdToInherit;

impl WatcherFault for ReturnsAPidfdToInherit {
    fn pidfd(&self, good: &dyn PidWatcher, pid: Pid) -> Result<OwnedFd, WatchError> {
        let pidfd = good.pidfd(pid)?;
        let _ = fcntl_setfd(&pidfd, FdFlags::empty());
        Ok(pidfd)
    }
}

#[derive(Debug, Default)]
struct RegistersAFileOnce(Mutex<HashSet<Pid>>);

impl WatcherFault for RegistersAFileOnce {
    fn register_pidfd(
        &self,
        good: &dyn PidWatcher,
        pidfd: BorrowedFd<'_>,
    ) -> Result<Pid, WatchError> {
        let pid = good.register_pidfd(pidfd)?;
        if lock(&self.0).insert(pid) {
            return Ok(pid);
        }
        good.unregister_pid(pid);
        Err(WatchError::Os {
            operation: "epoll_ctl",
            pid: Some(pid),
            source: io::ErrorKind::AlreadyExists.into(),
        })
    }
}

#[derive(Debug, Default)]
struct AnswersWithAnErrno;

impl WatcherFault for AnswersWithAnErrno {
    fn register_pidfd(
        &self,
        good: &dyn PidWatcher,
        pidfd: BorrowedFd<'_>,
    ) -> Result<Pid, WatchError> {
        let refused = good.register_pidfd(pidfd);
        refused.map_err(|error| match error {
            WatchError::UnusablePidfd { source, .. } => WatchError::Os {
                operation: "waitid",
                pid: None,
                source: source.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()),
            },
            other => other,
        })
    }
}

#[derive(Debug, Default)]
struct KeepsAPidfd;

impl WatcherFault for KeepsAPidfd {
    fn register_pidfd(
        &self,
        good: &dyn PidWatcher,
        pidfd: BorrowedFd<'_>,
    ) -> Result<Pid, WatchError> {
        mem::forget(pidfd.try_clone_to_owned());
        good.register_pidfd(pidfd)
    }
}

#[derive(Debug, Default)]
struct OpensTheNumberAnew;

impl SourceFault for OpensTheNumberAnew {
    fn pidfd<S: ExitSource>(
        &self,
        _good: &Good<S>,
        pid: Pid,
        _token: Token,
    ) -> Result<OwnedFd, WatchError> {
        let number = rustix::process::Pid::from_raw(pid.as_raw());
        let number = number.ok_or(WatchError::NoSuchProcess { pid, source: None })?;
        pidfd_open(number, PidfdFlags::empty()).map_err(|errno| match errno {
            rustix::io::Errno::SRCH => WatchError::NoSuchProcess {
                pid,
                source: Some(errno.into()),
            },
            errno => WatchError::ResourceLimit {
                operation: "pidfd_open",
                pid: Some(pid),
                source: errno.into(),
            },
        })
    }
}
