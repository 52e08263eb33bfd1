//! Whether there is room for another slice beside those that exist already.
//!
//! A slice that is alone may try, and be [`Refused`]. Beside other slices it would take the
//! last processes, which they need themselves. Therefore the room is checked before.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit, getuid};

use crate::candidates::thread::MOST_THREADS;
use crate::figures::numbers::count;
use crate::measuring::limits::{self, OTHER_PROCESSES, read};
use crate::measuring::refused::Refused;

/// The memory of a child, in KiB: the kernel's for a task and its pidfd, and the stack. It is
/// twice the amount measured on Linux 6.18.
const MEMORY_A_CHILD: usize = 56;

/// The directory of cgroups of either version.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Returns [`Refused`] if there is no room for a slice with this many children.
///
/// The slice has one more child that exits. It also has a thread for each child, up to the
/// most threads of a candidate.
pub(crate) fn check_one_more(children: usize) -> Result<(), Refused> {
    let threads = if children <= MOST_THREADS {
        children
    } else {
        0
    };
    let processes = children + threads + 1;
    limits::check_processes(processes)?;
    let limits = [of_the_user(), of_memory()].into_iter().flatten();
    for Limit { name, free } in limits.chain(of_cgroups()) {
        if processes + OTHER_PROCESSES > free {
            let processes = count(processes);
            let reason = format!("{name} leaves no room for {processes} processes");
            return Err(Refused(reason));
        }
    }
    Ok(())
}

/// How many more processes something allows.
#[derive(Debug, PartialEq)]
struct Limit {
    name: String,
    free: usize,
}

/// The limit of the user. All processes may belong to the same user. Root has no limit.
fn of_the_user() -> Option<Limit> {
    let limit = getrlimit(Resource::Nproc).current?;
    if getuid().is_root() {
        return None;
    }
    Some(Limit {
        name: format!("RLIMIT_NPROC, which is {limit},"),
        free: (limit as usize).saturating_sub(limits::tasks()?),
    })
}

/// The limit of memory. The available memory must not be used up.
fn of_memory() -> Option<Limit> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = meminfo.lines();
    let available = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: usize = available.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Limit {
        name: "memory".to_owned(),
        free: kibibytes / MEMORY_A_CHILD,
    })
}

/// The limit of each cgroup around this process that limits the number of processes.
fn of_cgroups() -> Vec<Limit> {
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let directories = memberships.lines().filter_map(cgroup);
    directories
        .flat_map(|directory| {
            let around = directory.ancestors();
            let around = around.take_while(|it| it.starts_with(CGROUPS));
            around.filter_map(of_a_cgroup).collect::<Vec<_>>()
        })
        .collect()
}

/// Reads a line of `/proc/self/cgroup`. Returns the directory of a cgroup that counts processes.
fn cgroup(line: &str) -> Option<PathBuf> {
    let (_hierarchy, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let path = path.trim_start_matches('/');
    if controllers.is_empty() {
        return Some(Path::new(CGROUPS).join(path));
    }
    let counts = controllers.split(',').any(|it| it == "pids");
    counts.then(|| Path::new(CGROUPS).join("pids").join(path))
}

/// Returns `None` if there is no limit.
fn of_a_cgroup(directory: &Path) -> Option<Limit> {
    let number = |file| read(directory.join(file).to_str()?);
    let most = number("pids.max")?;
    Some(Limit {
        name: format!("pids.max of a cgroup, which is {most},"),
        free: most.saturating_sub(number("pids.current")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_beyond_every_machine_is_refused_with_the_reason() {
        let Refused(reason) = check_one_more(1 << 23).unwrap_err();
        assert!(
            reason.contains(" leaves no room for 8,388,609 processes"),
            "{reason}"
        );
        assert!(check_one_more(0).is_ok());
    }

    #[test]
    fn a_machine_says_how_much_memory_it_has() {
        assert!(of_memory().unwrap().free > 0);
    }

    #[test]
    fn cgroups_of_either_version_are_found() {
        let of_both = ["0::/user.slice/a", "7:cpu,pids:/b", "8:memory:/c"].map(cgroup);
        let path = |path: &str| Some(PathBuf::from(path));
        let expected = [
            path("/sys/fs/cgroup/user.slice/a"),
            path("/sys/fs/cgroup/pids/b"),
            None,
        ];
        assert_eq!(of_both, expected);
    }

    #[test]
    fn a_cgroups_limit_leaves_what_is_not_used() {
        let name = format!("xtask-bench-cgroup-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        assert_eq!(of_a_cgroup(&directory), None);
        fs::write(directory.join("pids.current"), "30\n").unwrap();
        fs::write(directory.join("pids.max"), "max\n").unwrap();
        assert_eq!(of_a_cgroup(&directory), None);
        fs::write(directory.join("pids.max"), "100\n").unwrap();
        let limit = of_a_cgroup(&directory).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(limit.free, 70);
        assert!(limit.name.contains("100"), "{}", limit.name);
    }
}
