//! [`Footprint`]: the fds, threads and children of this process.

use std::fs;
use std::path::Path;

use crate::kit::sys::death;
use crate::kit::{deadline, own_proc};

/// What a process has at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    pub(crate) fds: usize,
    pub(crate) threads: usize,
    has_children: bool,
}

impl Footprint {
    /// Counts what this process has now.
    ///
    /// # Panics
    ///
    /// If `/proc` is not mounted.
    #[must_use]
    pub fn now() -> Self {
        Footprint {
            fds: open_files(),
            threads: count(own_proc::in_own_proc("task")),
            has_children: death::has_children(),
        }
    }

    /// Checks that nothing has come or gone since. A thread that has been joined,
    /// or told to end, may take a moment to leave the listing: it may have been counted
    /// then, and be gone now.
    ///
    /// # Panics
    ///
    /// If something has come or gone.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        let mut now = Footprint::now();
        let is_same = deadline::holds_within(deadline::patience(), || {
            now = Footprint::now();
            let has_no_new_thread = now.threads <= self.threads;
            has_no_new_thread && (now.fds, now.has_children) == (self.fds, self.has_children)
        });
        assert!(
            is_same,
            "now there is {now:?}, and before there was {self:?}"
        );
    }

    /// Checks that nothing has come since. Something may have gone: a file that a watcher's
    /// thread had open for a moment.
    ///
    /// # Panics
    ///
    /// If something has come.
    #[track_caller]
    pub fn assert_not_grown(&self) {
        let mut now = Footprint::now();
        let has_not = deadline::holds_within(deadline::patience(), || {
            now = Footprint::now();
            now.fds <= self.fds && now.threads <= self.threads
        });
        assert!(
            has_not,
            "now there is {now:?}, and before there was {self:?}"
        );
    }
}

/// ThreadSanitizer's runtime has a thread of its own, which begins with the program's
/// first: in time to be counted before the case, and not as left behind by it. Without
/// the sanitizer there is nothing to do.
pub(crate) fn begin_sanitizers_thread() {
    #[cfg(thread_sanitizer)]
    {
        let first = std::thread::spawn(crate::kit::sys::threads::thread_id).join();
        let first = format!("/proc/self/task/{}", first.expect("a thread's number"));
        deadline::until("a joined thread leaves the listing", || {
            !Path::new(&first).exists()
        });
    }
}

/// Returns how many files are open. One of them is the listing's own.
///
/// # Panics
///
/// If `/proc` is not mounted.
#[must_use]
pub fn open_files() -> usize {
    count(own_proc::in_own_proc("fd"))
}

/// How many files this process's epoll instances watch, those too that only a forked copy
/// still has open.
pub(crate) fn epoll_entries() -> usize {
    let files = fs::read_dir("/proc/self/fdinfo").expect("/proc is mounted");
    let entries = files.flatten().map(|file| {
        // The listing's own is gone by now.
        let info = fs::read_to_string(file.path()).unwrap_or_default();
        info.lines().filter(|line| line.starts_with("tfd:")).count()
    });
    entries.sum()
}

fn count(directory: impl AsRef<Path>) -> usize {
    fs::read_dir(directory).expect("/proc is mounted").count()
}

/// Returns the memory that this process has allocated and touched, in bytes. Pages of files are
/// not in it: the kernel takes them away and brings them back as it likes.
///
/// # Panics
///
/// If `/proc` is not mounted.
#[must_use]
pub fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let mut lines = status.lines();
    let kibibytes = lines.find_map(|line| {
        let value = line.strip_prefix("RssAnon:")?.trim();
        value.strip_suffix(" kB")?.parse::<usize>().ok()
    });
    kibibytes.expect("RssAnon is there since Linux 4.5") << 10
}
