//! [`BackendUnderTest`]: what the suite asks of a backend.

#![expect(
    unsafe_code,
    reason = "`fork_watchable`, which a broken backend replaces"
)]

use std::convert::Infallible;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher, PidWatcherExt, WatchError};

use crate::child::{Nursery, RealNursery};
use crate::driven::Driven;
use crate::{Interpreter, Sandbox, hosts, sys};

/// A backend that the suite can run against.
pub trait BackendUnderTest: Sync {
    /// A short name, for the matrix and the command line.
    fn name(&self) -> &'static str;

    /// A new watcher.
    ///
    /// # Errors
    ///
    /// What the backend's own constructor answers.
    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError>;

    /// A new watcher without a thread, and its driver. Asked only where the backend offers
    /// [`Need::Driver`].
    ///
    /// # Errors
    ///
    /// What the backend's own constructor answers.
    fn driven(&self) -> Result<Driven, WatchError> {
        Err(WatchError::Unsupported {
            operation: "a driver",
            pid: None,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// Whether the backend works at all on this kernel and in this sandbox, and has
    /// what it takes now; the reason if not. All its cases are unsupported then, but
    /// those that need no more than [`AnAnswer`](Need::AnAnswer).
    ///
    /// # Errors
    ///
    /// Why not, for the report.
    fn is_available(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether the backend offers what a case needs of it; the reason if not.
    /// Asked only about those [`Need`]s that are the backend's.
    ///
    /// # Errors
    ///
    /// Why not, for the report.
    fn offers(&self, need: Need) -> Result<(), String>;

    /// Where the processes come from. The default forks real ones.
    fn nursery(&self) -> Box<dyn Nursery> {
        Box::new(RealNursery)
    }

    /// How the backend tells a number's next process from the last: by the time of its
    /// start, in units of this much, when it is registered. Two of one unit it may take
    /// for one, and one that is never registered, too. Zero, the default: by something
    /// that no two processes share.
    fn unit_of_start_times(&self) -> Duration {
        Duration::ZERO
    }

    /// [`PidWatcherExt::spawn_watchable`], for a suite that tests a broken one.
    ///
    /// # Errors
    ///
    /// As the extension's.
    fn spawn_watchable(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
    ) -> io::Result<Child> {
        watcher.spawn_watchable(command)
    }

    /// [`PidWatcherExt::fork_watchable`], for a suite that tests a broken one.
    ///
    /// # Errors
    ///
    /// As the extension's.
    ///
    /// # Safety
    ///
    /// As the extension's.
    unsafe fn fork_watchable(
        &self,
        watcher: &dyn PidWatcher,
        child: fn() -> Infallible,
    ) -> io::Result<Pid> {
        // SAFETY: the caller's promise.
        unsafe { watcher.fork_watchable(child) }
    }
}

/// What a case needs that not every backend or machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// The backend's: its processes are the kernel's, with signals, threads and
    /// an exec.
    RealProcesses,
    /// The backend's: it watches processes that are not children.
    NonChildren,
    /// The backend's: it refuses processes that are not children.
    ChildrenOnly,
    /// The backend's: it listens to `SIGCHLD`.
    ChildSignal,
    /// The backend's: it reports an exit of which no signal reaches it.
    SilentExits,
    /// The backend's: each watched process costs a file descriptor.
    FilePerProcess,
    /// The backend's: it leaves the process's signal handlers alone.
    NoSignalHandler,
    /// The backend's: no other handler of `SIGCHLD` is needed for it than a case installs.
    NoHandlerOfTheProgram,
    /// The backend's: it leaves them alone until it first watches a process in a way that
    /// needs one, which its first process is not.
    NoHandlerAtFirst,
    /// The backend's: it refuses what it can't watch by a pidfd, and to be made where
    /// there are none.
    PidfdsOnly,
    /// The backend's: it watches processes where pidfds are refused.
    WithoutPidfds,
    /// The backend's: it reports the status of a child that has been reaped before the
    /// watcher could look.
    StatusAfterReaping,
    /// The backend's: while it watches, a program that receives `SIGCHLD` by `signalfd` or
    /// `sigwaitinfo` goes on to receive it.
    SignalsLeft,
    /// The backend's: the program tells it of `SIGCHLD`, by a
    /// [`Forwarder`](childwatch_sigchld::Forwarder).
    Forwarding,
    /// The backend's: it has no thread of its own.
    NoThread,
    /// The backend's: it has a driver, and the program runs the callbacks by it.
    Driver,
    /// The backend's: it reports an exit in time though every thread of the program blocks
    /// `SIGCHLD`.
    BlockedSignals,
    /// The backend's: callbacks run on a thread of its own, which it starts, and which blocks
    /// signals between them.
    OwnThread,
    /// The backend's, and the least of all: an answer from its constructor. The case is
    /// also for where the backend is not available.
    AnAnswer,
    /// The machine's: a process can be given a chosen number (`clone3` with
    /// `set_tid`: Linux 5.5 and `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`), or
    /// the backend's processes are not the kernel's.
    ChosenPid,
    /// The machine's: a process may trace another.
    Ptrace,
    /// The machine's: a process may make a pid namespace for its children, and mount there
    /// (`CAP_SYS_ADMIN`, or user namespaces for ordinary users).
    PidNamespace,
    /// The machine's: process 1 of such a namespace may mount a `/proc` of its own.
    OwnProc,
    /// The machine's: this program has been built with a static musl too.
    StaticProgram,
    /// The machine's: a process may have its system calls filtered (seccomp, with
    /// `TSYNC`: Linux 3.17).
    Seccomp,
    /// The machine's: a system call may be trapped, as by a sandbox with a broker, and a
    /// handler of `SIGSYS` can answer it.
    TrappedCalls,
    /// The machine's: a child can be made that the kernel reaps (`CLONE_AUTOREAP`: Linux
    /// 7.1).
    AutoReaping,
    /// The machine's: this many open files are allowed.
    OpenFiles(u32),
    /// The machine's: before reaping, the kernel tells a process's status and not its
    /// first thread's, where that has ended before others (Linux 5.17).
    ProcessesOwnStatus,
    /// The machine's: `SIGCHLD` tells a process's status and not its first thread's (Linux
    /// 6.18), or the backend does not go by it.
    SignalsOwnStatus,
    /// The machine's: this many processes are allowed.
    Processes(u32),
    /// The machine's: this program can run in the interpreter, and the backend is available
    /// there.
    RunsIn(Interpreter),
    /// The machine's: a process may make a time namespace for its children, and set its
    /// clocks (Linux 5.6 and `CAP_SYS_TIME`, or user namespaces for ordinary users).
    TimeNamespace,
    /// The machine's: a process may change the code that the kernel gives it to read the
    /// clocks (the vDSO), on x86-64.
    OwnWallClock,
    /// This program's: the example `second_copy` was built beside it.
    SecondCopy,
    /// This program's: its children may share its memory. ThreadSanitizer keeps a record
    /// of each thread, and knows of none in such a child.
    SharedMemory,
}

impl Need {
    /// Whether this machine and backend have it; the reason if not.
    ///
    /// # Errors
    ///
    /// Why not, for the report.
    pub fn check(self, backend: &dyn BackendUnderTest) -> Result<(), String> {
        match self {
            Need::RealProcesses
            | Need::NonChildren
            | Need::ChildrenOnly
            | Need::ChildSignal
            | Need::SilentExits
            | Need::FilePerProcess
            | Need::NoSignalHandler
            | Need::NoHandlerOfTheProgram
            | Need::NoHandlerAtFirst
            | Need::PidfdsOnly
            | Need::StatusAfterReaping
            | Need::SignalsLeft
            | Need::Forwarding
            | Need::NoThread
            | Need::Driver
            | Need::OwnThread
            | Need::BlockedSignals
            | Need::WithoutPidfds => backend.offers(self),
            Need::AnAnswer => Ok(()),
            Need::ChosenPid => backend.nursery().can_choose_pids(),
            Need::Ptrace => sys::may_trace(),
            Need::PidNamespace => crate::namespace::may_leave(),
            Need::OwnProc => crate::namespace::may_mount_proc(),
            Need::StaticProgram => crate::hosts::static_program().map(drop),
            Need::Seccomp => Sandbox::can_be_applied(),
            Need::TrappedCalls => {
                Sandbox::can_be_applied().and_then(|()| sys::can_answer_trapped_calls())
            }
            Need::AutoReaping => sys::can_have_children_reaped(),
            Need::ProcessesOwnStatus => sys::kernel_is_at_least(5, 17).map_err(|release| {
                format!("until it is reaped, Linux {release} tells the status of its first thread")
            }),
            Need::SignalsOwnStatus if backend.offers(Need::ChildSignal).is_err() => Ok(()),
            Need::SignalsOwnStatus => sys::kernel_is_at_least(6, 18).map_err(|release| {
                format!("SIGCHLD of Linux {release} may tell the status of a first thread")
            }),
            Need::Processes(wanted) => sys::may_have_processes(wanted.into()),
            Need::RunsIn(_) if hosts::is_begun_anew() => Ok(()),
            Need::RunsIn(interpreter) => interpreter.can_run(backend),
            Need::TimeNamespace => crate::namespace::may_have_other_clocks(),
            Need::OwnWallClock => sys::can_set_own_wall_clock(),
            Need::SecondCopy => sys::SecondCopy::is_there(),
            Need::SharedMemory if cfg!(thread_sanitizer) => {
                Err("ThreadSanitizer has no record of a child that shares memory".to_owned())
            }
            Need::SharedMemory => Ok(()),
            Need::OpenFiles(wanted) => sys::open_files_limit().and_then(|limit| {
                if limit >= u64::from(wanted) {
                    Ok(())
                } else {
                    Err(format!("RLIMIT_NOFILE is {limit}, and {wanted} are needed"))
                }
            }),
        }
    }
}
