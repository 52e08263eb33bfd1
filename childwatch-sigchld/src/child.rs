//! What the kernel tells of one child, or of all of them, without reaping any.

#![expect(
    unsafe_code,
    reason = "`waitid`, for the pid in its siginfo, which rustix keeps to itself"
)]

use std::fs;
use std::io;
use std::mem;
use std::process::ExitStatus;

use childwatch_core::{Pid, WatchError, exit_status};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

/// The state of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// A zombie, waitable.
    Exited(ExitStatus),
    /// Alive, or not waitable yet: a tracer holds it, or its leader has exited and
    /// another thread lives.
    NotYet,
    /// No child of this process, or not any more.
    Gone,
    /// A sandbox refuses the question: nothing can be known.
    Refused(Errno),
}

/// The state of the child with this number.
pub(crate) fn look_at(pid: Pid) -> Child {
    match peek(libc::P_PID, pid.as_raw().unsigned_abs()) {
        Ok(Some((_, status))) => Child::Exited(status),
        Ok(None) => Child::NotYet,
        Err(Errno::CHILD) => Child::Gone,
        Err(errno) => Child::Refused(errno),
    }
}

/// The first zombie among all children, and whether there are children at all.
pub(crate) fn first_zombie() -> Result<Option<Pid>, Errno> {
    Ok(peek(libc::P_ALL, 0)?.and_then(|(pid, _)| Pid::try_from(pid).ok()))
}

/// `waitid` for exits alone, of any kind of child (`__WALL`, which `waitid` takes
/// since Linux 4.7: also of one whose exit signal is not `SIGCHLD`), neither waiting
/// nor reaping.
fn peek(kind: libc::idtype_t, id: u32) -> Result<Option<(i32, ExitStatus)>, Errno> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: all zeros is a valid siginfo_t, and it lives across the call.
    let (answer, info) = unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        let answer = libc::waitid(kind, id, &raw mut info, options);
        (answer, info)
    };
    if answer == -1 {
        let error = io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
    }
    // SAFETY: waitid fills in the fields of SIGCHLD, or leaves zeros when there is
    // nothing to tell.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(exit_status(info.si_code, status).map(|status| (pid, status)))
}

/// A moment, as `/proc` shows the start times of processes: since boot, in units of
/// `USER_HZ` (10 ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(u64);

impl Ticks {
    #[cfg(test)]
    pub(crate) const ZERO: Ticks = Ticks(0);

    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let second = rustix::param::clock_ticks_per_second();
        let nanoseconds = now.tv_nsec as u64;
        Ticks(now.tv_sec as u64 * second + nanoseconds * second / 1_000_000_000)
    }

    /// So many ticks later, or earlier.
    #[cfg(test)]
    pub(crate) fn and(self, ticks: i64) -> Self {
        Ticks(self.0.saturating_add_signed(ticks))
    }
}

/// How a process's start lies to a moment at which another, or the same, is known to
/// have had its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// So it is the same process.
    Before,
    /// Within one tick: it may be either.
    AboutThen,
    /// So it is another.
    After,
    /// `/proc` does not tell.
    Unknown,
}

/// When the process that has this number now was started.
pub(crate) fn started(pid: Pid, moment: Ticks) -> Started {
    let Some(start) = start(pid) else {
        return Started::Unknown;
    };
    match start.cmp(&moment) {
        std::cmp::Ordering::Less => Started::Before,
        std::cmp::Ordering::Equal => Started::AboutThen,
        std::cmp::Ordering::Greater => Started::After,
    }
}

/// Whether `/proc` shows a zombie, or nothing. `true` also when it can't be read: it
/// is the cheaper question, not the decisive one.
pub(crate) fn may_be_dead(pid: Pid) -> bool {
    fields(pid).is_none_or(|fields| matches!(fields.bytes().next(), Some(b'Z' | b'X') | None))
}

/// The 22nd field of `/proc/<pid>/stat`.
fn start(pid: Pid) -> Option<Ticks> {
    fields(pid)?.split(' ').nth(19)?.parse().ok().map(Ticks)
}

/// The fields of `/proc/<pid>/stat` from the third on, the state; the second is the
/// name in parentheses, which may hold anything.
fn fields(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.to_owned())
}

/// Why a child can't be watched that can't be asked about.
pub(crate) fn not_to_be_asked_about(pid: Pid, errno: Errno) -> WatchError {
    WatchError::Unsupported {
        operation: "waitid(P_PID)",
        pid: Some(pid),
        source: errno.into(),
    }
}

/// Why a number can't be watched that is no child's.
pub(crate) fn not_a_child(pid: Pid) -> WatchError {
    let source = Some(Errno::CHILD.into());
    if exists(pid) && !is_threads_id(pid) {
        WatchError::NotAChild { pid, source }
    } else {
        WatchError::NoSuchProcess { pid, source }
    }
}

fn exists(pid: Pid) -> bool {
    let Some(number) = rustix::process::Pid::from_raw(pid.as_raw()) else {
        return false;
    };
    rustix::process::test_kill_process(number) != Err(Errno::SRCH)
}

/// The kernel signals a thread's whole process, and so does not tell the two apart.
fn is_threads_id(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let process = status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))
        .and_then(|number| number.trim().parse::<Pid>().ok());
    process.is_some_and(|process| process != pid)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child as Spawned, Command, Stdio};
    use std::thread;

    use super::*;

    /// A child that ends with its standard input.
    pub(crate) fn cat() -> Spawned {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).spawn().unwrap()
    }

    /// Lets it end, and be a zombie.
    pub(crate) fn dies(child: &mut Spawned) {
        drop(child.stdin.take());
        while look_at(Pid::from(&*child)) == Child::NotYet {
            thread::yield_now();
        }
    }

    #[test]
    fn a_child_is_alive_then_a_zombie_then_gone() {
        let mut child = cat();
        let pid = Pid::from(&child);
        assert_eq!(look_at(pid), Child::NotYet);
        assert!(!may_be_dead(pid));
        dies(&mut child);
        let status = ExitStatus::from_raw(0);
        assert_eq!(look_at(pid), Child::Exited(status), "and not reaped");
        assert!(may_be_dead(pid));
        // Perhaps of another test's child: there is one.
        assert!(matches!(first_zombie(), Ok(Some(_))));
        assert_eq!(child.wait().unwrap(), status);
        assert_eq!(look_at(pid), Child::Gone);
        assert!(may_be_dead(pid));
    }

    #[test]
    fn a_childs_start_lies_between_its_spawns_begin_and_end() {
        let before = Ticks::now();
        let mut child = cat();
        let (pid, after) = (Pid::from(&child), Ticks::now());
        assert_eq!(started(pid, before.and(-1)), Started::After);
        assert_eq!(started(pid, after.and(1)), Started::Before);
        dies(&mut child);
        child.wait().unwrap();
        assert_eq!(started(pid, after), Started::Unknown);
    }

    #[test]
    fn a_start_is_compared_by_ticks() {
        let own = Pid::try_from(std::process::id()).unwrap();
        let start = start(own).unwrap();
        assert_eq!(started(own, start.and(-1)), Started::After);
        assert_eq!(started(own, start), Started::AboutThen);
        assert_eq!(started(own, start.and(1)), Started::Before);
    }

    #[test]
    fn a_threads_id_is_no_process() {
        thread::spawn(|| {
            let thread = Pid::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            assert!(is_threads_id(thread));
            let refused = not_a_child(thread);
            assert!(matches!(refused, WatchError::NoSuchProcess { .. }));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_own_process_was_started_before_now_and_after_boot() {
        let own = Pid::try_from(std::process::id()).unwrap();
        assert_eq!(started(own, Ticks::now().and(1)), Started::Before);
        assert_eq!(started(own, Ticks::ZERO), Started::After);
    }

    #[test]
    fn what_is_no_child_is_told_apart() {
        let own = Pid::try_from(std::process::id()).unwrap();
        assert_eq!(look_at(own), Child::Gone);
        assert!(matches!(not_a_child(own), WatchError::NotAChild { .. }));
        let nobody = Pid::try_from(i32::MAX).unwrap();
        assert!(matches!(
            not_a_child(nobody),
            WatchError::NoSuchProcess { .. }
        ));
    }
}
