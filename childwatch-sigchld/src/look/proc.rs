//! What `/proc` shows of a child, and whether it is the right `/proc`.
//!
//! `/proc` may belong to another pid namespace: after `unshare(CLONE_NEWPID)` without a new
//! mount, or in a container that sees the `/proc` of its host. Its pids then mean other
//! processes. So nothing is concluded from it without a proof that it is our own.

use std::fs;
use std::io;

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
    view_by(std::process::id(), |path| fs::read(path))
}

fn view_by(own: u32, read: impl Fn(&str) -> io::Result<Vec<u8>>) -> ProcView {
    let Ok(stat) = read("/proc/self/stat") else {
        return ProcView::Missing;
    };
    let shown = stat.split(|byte| *byte == b' ').next();
    if shown.and_then(number::<u32>) != Some(own) {
        return ProcView::Foreign;
    }
    // A process may have the same pid in two namespaces. `NSpid` (Linux 4.1) has a pid for
    // each namespace from that of the mount inwards. Kernels without pid namespaces do not
    // show it.
    match read("/proc/self/status") {
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
#[expect(
    unsafe_code,
    reason = "`fork`, `unshare` and `mount`, for another namespace"
)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use childwatch_core::source::{ExitSource, Token, clock};

    use super::*;
    use crate::look::child::tests::{cat, let_die};
    use crate::source::SigchldSource;

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

    #[test]
    fn a_proc_is_another_namespaces_also_if_the_pids_are_equal() {
        let view = |own: u32, status: Option<&str>| {
            view_by(own, |path| match (path, status) {
                ("/proc/self/stat", _) => Ok(b"7 (cat) S 1 7 7".into()),
                ("/proc/self/status", Some(status)) => Ok(status.into()),
                _ => Err(io::ErrorKind::NotFound.into()),
            })
        };
        assert_eq!(view(7, Some("Name:\tcat\nNSpid:\t7\n")), ProcView::Own);
        assert_eq!(view(7, Some("Name:\tcat\n")), ProcView::Own);
        assert_eq!(view(7, Some("NSpid:\t7\t7\n")), ProcView::Foreign);
        assert_eq!(view(8, Some("NSpid:\t7\t8\n")), ProcView::Foreign);
        assert_eq!(view(7, None), ProcView::Missing);
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

    /// A program may mount another `/proc` at any time.
    #[test]
    fn a_proc_that_was_proven_once_proves_nothing_later() {
        const REPORTED: i32 = 55;
        const NO_NAMESPACE: i32 = 56;
        // Another thread may be about to read the clock for the first time at the fork.
        let _ = clock::monotonic();
        let inside = || {
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            let namespaces = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
            // SAFETY: takes a plain value. The copy has one thread, as the kernel demands.
            if unsafe { libc::unshare(namespaces) } != 0 {
                return NO_NAMESPACE;
            }
            // Who has no number there cannot make files.
            fs::write("/proc/self/setgroups", "deny").unwrap();
            let map = |id: u32| format!("0 {id} 1");
            fs::write("/proc/self/uid_map", map(user.as_raw())).unwrap();
            fs::write("/proc/self/gid_map", map(group.as_raw())).unwrap();
            let ((source, mut waiter), forwarder) = SigchldSource::with_forwarder().unwrap();
            // SAFETY: the child only waits for its end.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: both take plain values. The child ends with its parent.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                loop {
                    // SAFETY: takes nothing.
                    unsafe { libc::pause() };
                }
            }
            source
                .arm(Pid::try_from(child).unwrap(), Token::from_parts(0, 0))
                .unwrap();
            let mut reports = Vec::new();
            let mut doubts = || {
                forwarder.notify_child(child, libc::CLD_EXITED, 5);
                source.wake().unwrap();
                source.wait(&mut waiter, &mut reports).unwrap();
            };
            doubts();
            // SAFETY: the strings end with zeros, and no data is a permitted value.
            let is_mounted = unsafe {
                let (kind, place) = (c"tmpfs".as_ptr(), c"/proc".as_ptr());
                libc::mount(kind, place, kind, 0, std::ptr::null()) == 0
            };
            if is_mounted {
                let own = std::process::id();
                let (before, late) = ("0 ".repeat(17), u64::MAX - 1);
                fs::create_dir(format!("/proc/{child}")).unwrap();
                let stat = format!("{child} (it) S {own} {before}{late} 0\n");
                fs::write(format!("/proc/{child}/stat"), stat).unwrap();
                doubts();
            }
            // SAFETY: takes plain values. The child is not reaped.
            unsafe { libc::kill(child, libc::SIGKILL) };
            match is_mounted {
                true if reports.is_empty() => 0,
                true => REPORTED,
                false => NO_NAMESPACE,
            }
        };
        let code = in_copy(inside);
        if code == NO_NAMESPACE {
            eprintln!("not tested: an ordinary user gets no namespace here");
        } else {
            assert_eq!(code, 0);
        }
    }

    const PANICKED: i32 = 101;

    /// The code with which a copy of this process ends.
    fn in_copy(code: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the copy makes system calls, and allocates, which glibc and musl allow in
        // a copy that `fork` has made.
        let copy = unsafe { libc::fork() };
        assert_ne!(copy, -1);
        if copy == 0 {
            // A panic must not go on in the copy, whose end would then pass for success.
            let code = catch_unwind(AssertUnwindSafe(code)).unwrap_or(PANICKED);
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
        // What is mounted last covers what was there.
        let (open, hiding) = (mount("rw"), mount("rw,hidepid=2"));
        assert!(hides_processes(format!("{open}{hiding}").as_bytes()));
        assert!(!hides_processes(format!("{hiding}{open}").as_bytes()));
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
