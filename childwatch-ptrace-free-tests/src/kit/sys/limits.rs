//! What this process may have, and having less of it for a while; and numbers of its files
//! that lead elsewhere for a while.

#![expect(
    unsafe_code,
    reason = "`dup2` over the number of a file of somebody else's, and `close`"
)]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the size of this process's address space now.
///
/// # Panics
///
/// If `/proc` is not mounted.
pub fn address_space_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    let pages = statm
        .split_whitespace()
        .next()
        .expect("statm has seven fields");
    pages.parse::<u64>().expect("a count of pages") * rustix::param::page_size() as u64
}

/// The soft limit on open files.
pub(crate) fn open_files_limit() -> Result<u64, String> {
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// Leaves room for only so many more open files, until dropped.
#[derive(Debug)]
pub struct FewFiles {
    before: Rlimit,
    /// The limit counts numbers, not files: these take every number below it.
    _fillers: Vec<OwnedFd>,
}

impl FewFiles {
    /// Leaves room for `room` more files.
    ///
    /// # Panics
    ///
    /// If `/proc` is not mounted.
    pub fn left(room: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = std::fs::read_dir("/proc/self/fd")
            .expect("/proc is mounted")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
            .max()
            .expect("the listing has an fd of its own");
        // A file that was inherited may stand right below the limit there is.
        let enough = highest + 1 + room as u64;
        let lowered = Rlimit {
            current: Some(before.current.map_or(enough, |limit| limit.min(enough))),
            ..before
        };
        setrlimit(Resource::Nofile, lowered).expect("a soft limit can be lowered");
        let mut fillers: Vec<_> =
            std::iter::from_fn(|| io::stderr().as_fd().try_clone_to_owned().ok()).collect();
        fillers.truncate(fillers.len() - room);
        FewFiles {
            before,
            _fillers: fillers,
        }
    }
}

impl Drop for FewFiles {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::Nofile, self.before);
    }
}

/// Allows this process no open file more, whatever the number, until dropped.
#[derive(Debug)]
pub(crate) struct NoFiles {
    before: Rlimit,
}

impl NoFiles {
    pub(crate) fn begin() -> Self {
        let before = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(0),
            ..before
        };
        setrlimit(Resource::Nofile, none).expect("a soft limit can be lowered");
        NoFiles { before }
    }
}

impl Drop for NoFiles {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::Nofile, self.before);
    }
}

/// The numbers of this process's eventfds.
pub(crate) fn eventfds() -> Vec<RawFd> {
    fs::read_dir("/proc/self/fd")
        .expect("/proc is mounted")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            (target.as_os_str() == "anon_inode:[eventfd]").then_some(number)
        })
        .collect()
}

/// Has a number lead to another file, until dropped: as in a program that closes files it
/// has not opened, and opens others.
#[derive(Debug)]
pub(crate) struct Replaced {
    number: RawFd,
    /// The file itself, under another number.
    before: OwnedFd,
}

impl Replaced {
    pub(crate) fn with(number: RawFd, other: &OwnedFd) -> io::Result<Self> {
        // SAFETY: dup takes a plain number, and gives a new one, that is nobody else's.
        let before = unsafe {
            match libc::dup(number) {
                -1 => return Err(io::Error::last_os_error()),
                copy => OwnedFd::from_raw_fd(copy),
            }
        };
        let replaced = Replaced { number, before };
        replaced.lead_to(other)?;
        Ok(replaced)
    }

    fn lead_to(&self, file: &OwnedFd) -> io::Result<()> {
        // SAFETY: takes plain numbers. The number's owner uses it as a file of its own; that
        // it must not harm another's is what is tested.
        match unsafe { libc::dup3(file.as_raw_fd(), self.number, libc::O_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        let _ = self.lead_to(&self.before);
    }
}

/// Limits this process's address space, or lifts the limit.
///
/// # Panics
///
/// If the limit can't be set.
pub fn limit_address_space(bytes: Option<u64>) {
    let before = getrlimit(Resource::As);
    let limit = Rlimit {
        current: bytes.or(before.maximum),
        ..before
    };
    setrlimit(Resource::As, limit).expect("a soft limit can be set");
}

/// Whether this user may have so many processes at once.
pub(crate) fn may_have_processes(wanted: u64) -> Result<(), String> {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let limits = [
        ("kernel.pid_max", read("/proc/sys/kernel/pid_max")),
        ("kernel.threads-max", read("/proc/sys/kernel/threads-max")),
        ("RLIMIT_NPROC", getrlimit(Resource::Nproc).current),
        ("the control group's pids.max", control_groups_pids_max()),
    ];
    for (name, limit) in limits {
        if let Some(limit) = limit.filter(|limit| *limit < wanted) {
            return Err(format!("{name} is {limit}, and {wanted} are needed"));
        }
    }
    Ok(())
}

/// The least of the limits from this process's control group up (version 2).
fn control_groups_pids_max() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    std::path::Path::new("/sys/fs/cgroup")
        .join(own)
        .ancestors()
        .take_while(|group| group.starts_with("/sys/fs/cgroup"))
        .filter_map(|group| std::fs::read_to_string(group.join("pids.max")).ok())
        .filter_map(|limit| limit.trim().parse().ok())
        .min()
}

/// Closes every descriptor from this number on, as daemons do.
pub(crate) fn close_all_from(first: RawFd) {
    let listing = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    let number = |file: fs::DirEntry| file.file_name().to_str()?.parse().ok();
    let numbers: Vec<RawFd> = listing.flatten().filter_map(number).collect();
    for number in numbers.into_iter().filter(|number| *number >= first) {
        // SAFETY: takes a plain number. The caller is a copy of a process, whose files belong
        // to that one, and which goes on without them.
        unsafe { libc::close(number) };
    }
}
