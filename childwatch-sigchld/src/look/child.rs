//! The state of one child, asked without reaping the child.

use std::io;

use childwatch_core::source::{Detail, Ended, Peeked, peek};
use childwatch_core::{Pid, WatchError};
use rustix::io::Errno;

/// The state of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A zombie, waitable.
    Exited(Ended),
    /// Alive, or not waitable yet: a tracer holds the child, or its first thread has exited and
    /// another thread lives.
    NotYet,
    /// The pid is not that of a child of this process, or not any more.
    Gone,
    /// A sandbox refuses `waitid`, so nothing is known.
    Refused(Errno),
}

/// Looks at the child with this pid: one `waitid`.
pub(crate) fn look(pid: Pid, detail: Detail) -> State {
    state_of(peek(Peeked::Pid(pid), detail).map_err(errno))
}

fn state_of(answer: Result<Option<Ended>, Errno>) -> State {
    match answer {
        Ok(Some(ended)) => State::Exited(ended),
        Ok(None) => State::NotYet,
        Err(Errno::CHILD) => State::Gone,
        Err(errno) => State::Refused(errno),
    }
}

/// Asks `waitid` about any child. Returns `Ok` if the kernel and the sandbox offer it.
pub(crate) fn check_waitid() -> Result<(), Errno> {
    match peek(Peeked::Any, Detail::Status).map_err(errno) {
        Ok(_) | Err(Errno::CHILD) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
}

/// How a pid is related to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinship {
    /// It is, or a sandbox refuses the question.
    Child,
    /// It is that of another process, which this one may be tracing, or of no process.
    NoChild,
    /// It is the id of a thread.
    Thread,
}

/// Tells a child from a process or thread that this process only traces. `waitid` answers
/// for all three.
///
/// `setpgid` checks the parent, and changes nothing here: the process group to which it should
/// move the child does not exist, because its number is beyond the largest pid (2²²).
///
/// | the pid is that of | `setpgid` fails with |
/// |---|---|
/// | a child | EPERM or EACCES |
/// | another process | ESRCH |
/// | a thread | EINVAL |
pub(crate) fn kinship(pid: Pid) -> Kinship {
    let nonexistent = rustix::process::Pid::from_raw(i32::MAX);
    match rustix::process::setpgid(Some(rustix_pid(pid)), nonexistent) {
        Err(Errno::SRCH) => Kinship::NoChild,
        Err(Errno::INVAL) => Kinship::Thread,
        Ok(()) | Err(_) => Kinship::Child,
    }
}

/// The error for a pid that this backend cannot watch.
pub(crate) fn not_a_child(pid: Pid) -> WatchError {
    if pid.as_raw().unsigned_abs() == std::process::id() {
        return WatchError::OwnProcess { pid };
    }
    let source = Some(Errno::CHILD.into());
    if exists(pid) && kinship(pid) != Kinship::Thread {
        WatchError::NotAChild { pid, source }
    } else {
        WatchError::NoSuchProcess { pid, source }
    }
}

/// The error for a child that a sandbox does not let us look at.
pub(crate) fn look_refused(pid: Pid, errno: Errno) -> WatchError {
    WatchError::Unsupported {
        operation: "waitid(P_PID)",
        pid: Some(pid),
        source: errno.into(),
    }
}

fn exists(pid: Pid) -> bool {
    is_somebodys(rustix::process::test_kill_process(rustix_pid(pid)))
}

/// Returns `true` if the answer to signal 0 means that a process has the pid. It may be
/// another user's, which this process must not signal.
fn is_somebodys(answer: Result<(), Errno>) -> bool {
    answer != Err(Errno::SRCH)
}

fn rustix_pid(pid: Pid) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(pid.as_raw()).expect("a Pid is positive")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::thread;

    use childwatch_core::source::clock::Ticks;

    use super::*;

    /// So many ticks later, or earlier.
    pub(crate) fn plus(moment: Ticks, ticks: i64) -> Ticks {
        Ticks::from_raw(moment.as_raw().saturating_add_signed(ticks))
    }

    /// A child that ends with its standard input.
    pub(crate) fn cat() -> Child {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).spawn().unwrap()
    }

    /// The same, with a moment in a tick before that of its start.
    pub(crate) fn late_cat() -> (Ticks, Child) {
        let before = Ticks::now();
        while Ticks::now() == before {
            thread::yield_now();
        }
        (before, cat())
    }

    /// Lets it end, and be a zombie.
    pub(crate) fn let_die(child: &mut Child) {
        drop(child.stdin.take());
        while look(Pid::from(&*child), Detail::Status) == State::NotYet {
            thread::yield_now();
        }
    }

    #[test]
    fn a_child_is_alive_then_a_zombie_then_gone() {
        let mut child = cat();
        let pid = Pid::from(&child);
        assert_eq!(look(pid, Detail::Status), State::NotYet);
        assert_eq!(kinship(pid), Kinship::Child);
        let_die(&mut child);
        let status = ExitStatus::from_raw(0);
        assert_eq!(
            look(pid, Detail::Status),
            State::Exited(Ended::new(status, None)),
            "and not reaped"
        );
        assert_eq!(kinship(pid), Kinship::Child);
        assert_eq!(child.wait().unwrap(), status);
        assert_eq!(look(pid, Detail::Status), State::Gone);
        assert_eq!(kinship(pid), Kinship::NoChild);
    }

    #[test]
    fn a_process_that_must_not_be_signalled_exists() {
        assert!(is_somebodys(Ok(())));
        assert!(is_somebodys(Err(Errno::PERM)));
        assert!(!is_somebodys(Err(Errno::SRCH)));
    }

    #[test]
    fn only_echild_means_that_a_child_is_gone() {
        assert_eq!(state_of(Err(Errno::CHILD)), State::Gone);
        for errno in [Errno::PERM, Errno::NOSYS, Errno::ACCESS, Errno::INVAL] {
            assert_eq!(state_of(Err(errno)), State::Refused(errno));
        }
    }

    /// Whether it has executed a program or not, and whatever session it is in.
    #[test]
    fn asking_for_kinship_moves_a_child_to_no_other_group() {
        let mut child = cat();
        let number = rustix_pid(Pid::from(&child));
        let before = rustix::process::getpgid(Some(number)).unwrap();
        assert_eq!(kinship(Pid::from(&child)), Kinship::Child);
        assert_eq!(rustix::process::getpgid(Some(number)).unwrap(), before);
        let_die(&mut child);
        child.wait().unwrap();
    }

    #[test]
    fn a_threads_id_is_no_process() {
        thread::spawn(|| {
            let thread = Pid::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            assert_eq!(kinship(thread), Kinship::Thread);
            let refused = not_a_child(thread);
            assert!(matches!(refused, WatchError::NoSuchProcess { .. }));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_is_no_child_is_told_apart() {
        let own = Pid::try_from(std::process::id()).unwrap();
        assert_eq!(look(own, Detail::Status), State::Gone);
        assert!(matches!(not_a_child(own), WatchError::OwnProcess { .. }));
        let parent = rustix::process::getppid().unwrap();
        let parent = Pid::try_from(parent.as_raw_nonzero().get()).unwrap();
        assert_eq!(kinship(parent), Kinship::NoChild);
        assert!(matches!(not_a_child(parent), WatchError::NotAChild { .. }));
        let nobody = Pid::try_from(i32::MAX).unwrap();
        assert!(matches!(
            not_a_child(nobody),
            WatchError::NoSuchProcess { .. }
        ));
    }

    #[test]
    fn the_kernel_offers_a_look() {
        assert_eq!(check_waitid(), Ok(()));
    }
}
