//! What `/proc` shows of a child, and whether it is the right `/proc`.
//!
//! `/proc` may belong to another pid namespace: after `unshare(CLONE_NEWPID)` without a new
//! mount, or in a container that sees the `/proc` of its host. Its pids then mean other
//! processes. So nothing is concluded from it without a proof that it is our own.

use std::fs;

use childwatch_core::Pid;
use childwatch_core::source::clock::Ticks;

/// A `/proc` that has been seen to belong to the pid namespace of this process.
///
/// The proof holds until another `/proc` is mounted, so it is renewed for each use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnProc {
    own: u32,
    /// When this process was started.
    own_start: Ticks,
}

/// What `/proc` is to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcView {
    /// It shows this process under its own pid, so its pids mean the same processes.
    Own,
    /// As `Own`, but mounted with `hidepid`. It may not show a child that runs as another user.
    Hidden,
    /// It belongs to another pid namespace, so its pids mean other processes.
    Foreign,
    /// It is not mounted, or cannot be read.
    Missing,
}

/// Returns what `/proc` is to this process.
pub(crate) fn view() -> ProcView {
    let own = std::process::id();
    let Ok(stat) = fs::read("/proc/self/stat") else {
        return ProcView::Missing;
    };
    let shown = stat.split(|byte| *byte == b' ').next();
    if shown.and_then(number::<u32>) != Some(own) {
        return ProcView::Foreign;
    }
    // A process may have the same pid in two namespaces. `NSpid` (Linux 4.1) has a pid for
    // each namespace from that of the mount inwards. Kernels without pid namespaces do not
    // show it.
    match fs::read("/proc/self/status") {
        Ok(status) if has_one_pid(&status) => ProcView::Own,
        Ok(_) => ProcView::Foreign,
        Err(_) => ProcView::Missing,
    }
}

/// As [`view`], and looks at the options of the mount.
pub(crate) fn view_with_mount() -> ProcView {
    match (view(), fs::read("/proc/self/mountinfo")) {
        (ProcView::Own, Ok(mounts)) if hides_processes(&mounts) => ProcView::Hidden,
        (view, _) => view,
    }
}

/// Looks at the last mount on `/proc`, in the format of proc_pid_mountinfo(5).
fn hides_processes(mounts: &[u8]) -> bool {
    let mounts = String::from_utf8_lossy(mounts);
    let mut of_proc = mounts
        .lines()
        .filter(|mount| mount.split(' ').nth(4) == Some("/proc"));
    let options = of_proc
        .next_back()
        .and_then(|mount| mount.rsplit(' ').next());
    options.is_some_and(|options| {
        options
            .split(',')
            .filter_map(|option| option.strip_prefix("hidepid="))
            .any(|value| !["0", "off"].contains(&value))
    })
}

fn has_one_pid(status: &[u8]) -> bool {
    let mut lines = status.split(|byte| *byte == b'\n');
    let pids = lines.find_map(|line| line.strip_prefix(b"NSpid:"));
    pids.is_none_or(|pids| {
        let pids = pids.split(u8::is_ascii_whitespace);
        pids.filter(|pid| !pid.is_empty()).count() == 1
    })
}

impl OwnProc {
    /// Returns the proof, or `None` if `/proc` is foreign or missing, or if no file descriptor is
    /// left to find out.
    pub(crate) fn prove() -> Option<Self> {
        let own = std::process::id();
        let stat = Stat::parse(&fs::read("/proc/self/stat").ok()?)?;
        (view() == ProcView::Own).then_some(OwnProc {
            own,
            own_start: stat.start,
        })
    }

    /// Returns `true` if start times can be compared with this moment.
    ///
    /// If this process itself was started after the moment, it has been restored from a
    /// checkpoint since. All processes have new start times then, so the moment cannot be
    /// compared with them.
    pub(crate) fn can_compare(self, moment: Ticks) -> bool {
        self.own_start <= moment
    }

    /// Returns the start of the child that has this pid now. Returns `None` if no child of this
    /// process has it, or if `/proc` does not show the child.
    pub(crate) fn child_start(self, pid: Pid) -> Option<Ticks> {
        self.child(pid).map(|child| child.start)
    }

    /// Returns `true` if a child of this process has the pid and is alive.
    pub(crate) fn shows_alive(self, pid: Pid) -> bool {
        self.child(pid).is_some_and(|child| child.is_alive)
    }

    fn child(self, pid: Pid) -> Option<Stat> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&stat).filter(|stat| stat.parent == self.own)
    }
}

/// Some fields of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// Neither a zombie (`Z`) nor being released (`X`).
    is_alive: bool,
    parent: u32,
    start: Ticks,
}

impl Stat {
    /// The second field is the name in parentheses. It may contain any byte, also a closing
    /// parenthesis and a space.
    fn parse(stat: &[u8]) -> Option<Self> {
        let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
        let mut fields = stat.get(name_ends + 2..)?.split(|byte| *byte == b' ');
        let state = fields.next()?;
        Some(Stat {
            is_alive: !matches!(state, b"Z" | b"X" | b"x" | b""),
            parent: number(fields.next()?)?,
            // The 22nd field. The first four have been taken.
            start: Ticks::from_raw(number(fields.nth(17)?)?),
        })
    }
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

#[cfg(test)]
#[expect(unsafe_code, reason = "`fork` and `unshare`, for another namespace")]
mod tests {
    use super::*;
    use crate::look::child::tests::{cat, let_die};

    #[test]
    fn a_name_may_hold_any_byte() {
        let rest = b" S 12 1 1 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 4711 99 1";
        for name in [&b"cat"[..], b") Z 1 (", b"\xff\xfe", b"a b\n"] {
            let stat = [b"7 (", name, b")", rest].concat();
            let expected = Stat {
                is_alive: true,
                parent: 12,
                start: Ticks::from_raw(4711),
            };
            assert_eq!(Stat::parse(&stat), Some(expected));
        }
        assert_eq!(Stat::parse(b"7 (cat) S 12"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    /// There the numbers are other processes', and 1 is the parent of many.
    #[test]
    fn a_proc_of_another_namespace_proves_nothing() {
        const PROVES: i32 = 55;
        let inside = || {
            // SAFETY: takes a plain value. The copy has one thread, as the kernel demands.
            let refused = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) };
            if refused != 0 {
                return 0;
            }
            in_copy(|| {
                if OwnProc::prove().is_some() {
                    PROVES
                } else {
                    0
                }
            })
        };
        assert_eq!(in_copy(inside), 0);
    }

    /// The code with which a copy of this process ends.
    fn in_copy(code: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the copy makes system calls, and allocates, which glibc and musl allow in
        // a copy that `fork` has made.
        let copy = unsafe { libc::fork() };
        assert_ne!(copy, -1);
        if copy == 0 {
            let code = code();
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(code) }
        }
        let copy = rustix::process::Pid::from_raw(copy);
        let ended = rustix::process::waitpid(copy, rustix::process::WaitOptions::empty());
        ended.unwrap().unwrap().1.exit_status().unwrap()
    }

    #[test]
    fn more_than_one_pid_means_another_namespace() {
        assert!(has_one_pid(b"Name:\tx\nNSpid:\t7\nNSpgid:\t7\n"));
        assert!(!has_one_pid(b"Name:\tx\nNSpid:\t907\t7\n"));
        assert!(has_one_pid(b"Name:\tx\n"));
    }

    #[test]
    fn a_mount_with_hidepid_hides_processes() {
        let mount = |options: &str| {
            format!(
                "22 1 0:5 / /dev rw shared:2 - devtmpfs udev rw\n\
                 24 1 0:22 / /proc rw,nosuid shared:14 - proc proc {options}\n"
            )
        };
        assert!(!hides_processes(mount("rw").as_bytes()));
        assert!(!hides_processes(mount("rw,hidepid=off").as_bytes()));
        assert!(hides_processes(mount("rw,hidepid=invisible").as_bytes()));
        assert!(hides_processes(mount("rw,gid=4,hidepid=2").as_bytes()));
        assert!(!hides_processes(b""));
    }

    #[test]
    fn proc_shows_a_child_alive_and_since_when() {
        let own = OwnProc::prove().expect("the tests run with their own /proc");
        let before = Ticks::now();
        let mut child = cat();
        let (pid, after) = (Pid::from(&child), Ticks::now());
        let start = own.child_start(pid).unwrap();
        assert!(before <= start && start <= after);
        assert!(own.shows_alive(pid));
        let_die(&mut child);
        assert!(!own.shows_alive(pid));
        assert_eq!(own.child_start(pid), Some(start));
        child.wait().unwrap();
        assert_eq!(own.child_start(pid), None);
    }

    #[test]
    fn what_was_before_this_process_cannot_be_compared() {
        let own = OwnProc::prove().unwrap();
        assert!(own.can_compare(Ticks::now()));
        assert!(own.can_compare(own.own_start));
        assert!(!own.can_compare(Ticks::from_raw(0)));
    }

    #[test]
    fn what_is_no_child_has_no_start() {
        let own = OwnProc::prove().unwrap();
        let this = Pid::try_from(std::process::id()).unwrap();
        assert_eq!(own.child_start(this), None);
        let stranger = OwnProc {
            own: u32::MAX,
            ..own
        };
        let mut child = cat();
        assert_eq!(stranger.child_start(Pid::from(&child)), None);
        let_die(&mut child);
        child.wait().unwrap();
    }
}
