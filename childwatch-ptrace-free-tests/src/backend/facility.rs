//! [`Facility`]: what a machine may offer, and need not.

use super::availability;
use super::feature::Feature;
use super::under_test::BackendUnderTest;
use crate::kit::sys::second_copy::SecondCopy;
use crate::kit::sys::terminal::Terminal;
use crate::kit::sys::{death, limits, permits, traps, users, wall_clock};
use crate::machine::interpreter::Interpreter;
use crate::machine::sandbox::Sandbox;
use crate::machine::{anew, namespace};

/// Something that not every machine offers, or not to every build of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Facility {
    /// A process can be given a chosen number (`clone3` with `set_tid`: Linux 5.5 and
    /// `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`), or the backend's processes are not the
    /// kernel's.
    ChosenPid,
    /// A process may trace another.
    Ptrace,
    /// A process may make a pid namespace for its children, and mount there (`CAP_SYS_ADMIN`,
    /// or user namespaces for ordinary users).
    PidNamespace,
    /// Process 1 of such a namespace may mount a `/proc` of its own.
    OwnProc,
    /// This program has been built with a static musl too, with the backend.
    StaticProgram,
    /// A process may have its system calls filtered (seccomp, with `TSYNC`: Linux 3.17).
    Seccomp,
    /// A system call may be trapped, as by a sandbox with a broker, and a handler of `SIGSYS`
    /// can answer it.
    TrappedCalls,
    /// A child can be made that the kernel reaps (`CLONE_AUTOREAP`: Linux 7.1).
    AutoReaping,
    /// This many open files are allowed.
    OpenFiles(u32),
    /// Before reaping, the kernel tells a process's status and not its first thread's, where
    /// that has ended before others (Linux 5.17).
    ProcessesOwnStatus,
    /// `SIGCHLD` tells a process's status and not its first thread's (Linux 6.18), or the
    /// backend does not go by it.
    SignalsOwnStatus,
    /// This many processes are allowed.
    Processes(u32),
    /// This program can run in the interpreter, and the backend is available there.
    RunsIn(Interpreter),
    /// `waitid` returns the resource usage of a child that it does not reap. Interpreters of
    /// system calls may leave it out.
    UsageBeforeReaping,
    /// A process may have a terminal of its own (`/dev/ptmx`, and a file system on `/dev/pts`).
    Pseudoterminals,
    /// A process may make a time namespace for its children, and set its clocks (Linux 5.6 and
    /// `CAP_SYS_TIME`, or user namespaces for ordinary users).
    TimeNamespace,
    /// A process may change the code that the kernel gives it to read the clocks (the vDSO), on
    /// x86-64.
    OwnWallClock,
    /// A process may become another user and group, and root again (`CAP_SETUID` and `CAP_SETGID`, in
    /// a user namespace that has the others).
    OtherUsers,
    /// Of this program: the example `second_copy` was built beside it.
    SecondCopy,
    /// Of this program: its children may share its memory. ThreadSanitizer keeps a record of
    /// each thread, and knows of none in such a child.
    SharedMemory,
}

impl Facility {
    /// Returns `Ok` if this machine offers it to this program and backend.
    ///
    /// # Errors
    ///
    /// Returns the reason, which the report shows.
    pub fn check(self, backend: &dyn BackendUnderTest) -> Result<(), String> {
        match self {
            Facility::ChosenPid => backend.nursery().can_choose_pids(),
            Facility::Ptrace => permits::may_trace(),
            Facility::PidNamespace => namespace::may_leave(),
            Facility::OwnProc => namespace::may_mount_proc(),
            Facility::StaticProgram => availability::in_static_program(backend),
            Facility::Seccomp => Sandbox::can_be_applied(),
            Facility::TrappedCalls => {
                Sandbox::can_be_applied().and_then(|()| traps::can_answer_trapped_calls())
            }
            Facility::AutoReaping => permits::can_have_children_reaped(),
            Facility::ProcessesOwnStatus => permits::kernel_is_at_least(5, 17).map_err(|release| {
                format!("until it is reaped, Linux {release} tells the status of its first thread")
            }),
            Facility::SignalsOwnStatus if backend.offers(Feature::ChildSignal).is_err() => Ok(()),
            Facility::SignalsOwnStatus => permits::kernel_is_at_least(6, 18).map_err(|release| {
                format!("SIGCHLD of Linux {release} may tell the status of a first thread")
            }),
            Facility::Processes(wanted) => limits::may_have_processes(wanted.into()),
            Facility::RunsIn(_) if anew::is_begun_anew() => Ok(()),
            Facility::RunsIn(interpreter) => availability::in_interpreter(interpreter, backend),
            Facility::UsageBeforeReaping if death::usage_is_returned_before_reaping() => Ok(()),
            Facility::UsageBeforeReaping => {
                Err("waitid returns no resource usage here before the child is reaped".to_owned())
            }
            Facility::Pseudoterminals => Terminal::can_be_opened(),
            Facility::TimeNamespace => namespace::may_have_other_clocks(),
            Facility::OwnWallClock => wall_clock::can_set_own_wall_clock(),
            Facility::OtherUsers => users::may_become_another(),
            Facility::SecondCopy => SecondCopy::is_there(),
            Facility::SharedMemory if cfg!(thread_sanitizer) => {
                Err("ThreadSanitizer has no record of a child that shares memory".to_owned())
            }
            Facility::SharedMemory => Ok(()),
            Facility::OpenFiles(wanted) => limits::open_files_limit().and_then(|limit| {
                if limit >= u64::from(wanted) {
                    Ok(())
                } else {
                    Err(format!("RLIMIT_NOFILE is {limit}, and {wanted} are needed"))
                }
            }),
        }
    }
}
