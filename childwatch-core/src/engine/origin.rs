//! [`Origin`]: tells the process that made a watcher from its forked copies.
//!
//! # Why
//!
//! A copy has the watcher's memory, but not its thread. If the watcher has an epoll instance,
//! the copy shares it with the parent, so one `EPOLL_CTL_DEL` in the copy would end a watch of
//! the parent's. Therefore each call of a watcher first asks whether this is still the process that made the watcher. In a
//! copy the call takes no lock, because another thread may have held the lock at the fork.
//!
//! Three places beside the calls ask too: the driving thread after each callback, which may have
//! forked; each `Drop`, which then forgets what it owns; and the SIGCHLD handler before it touches
//! the descriptor of a driver. In a copy, the handler's other work changes the copy's memory only.
//!
//! # How
//!
//! Normally this takes no system call. A page that the kernel wipes in every forked copy
//! (`MADV_WIPEONFORK`, Linux 4.14) carries the process's mark. The mark is a number that
//! no ancestor of the process has had, so a copy finds zero there, or a mark of its own.
//! `pthread_atfork` would not do, because it does not see a fork by a raw system call.
//!
//! To compare the pid by one `getpid` at each call would be simpler. It costs 140 ns at each
//! registration and at each exit, which is 17 % of a registration with SIGCHLD
//! (`docs/performance.md`). And it is not enough: see the case
//! `a_copy_with_the_same_pid_is_known`.
//!
//! Some sandboxes, and qemu-user 7.2, accept every advice and ignore it. So a kernel is
//! trusted to wipe the page only if it refuses an advice that does not exist.
//! Otherwise the process is known by its pid and its pid namespace, which costs two system
//! calls each time. The pid alone is not enough: in a new pid namespace the copy of a
//! process 1 is a process 1 too. Without wiped pages two cases are left:
//!
//! - Without `/proc`, a copy that is process 1 of a new pid namespace, made by a process 1, is
//!   taken for its parent.
//! - A copy that outlives its parent, and whose own copy then gets the parent's pid, is taken for
//!   the parent.
//!
//! # What a copy may still wait for
//!
//! A lock that another thread held at the fork stays locked in the copy. Who takes each lock
//! there:
//!
//! | lock | taken in a copy by |
//! |---|---|
//! | the engine's, a source's | nothing: every call asks for the origin first |
//! | the page here, the counters of marks and handles | nothing: they are atomics |
//! | that of an [`Exited`](crate::Exited) | nothing, if the engine made it: `poll` and `Drop` ask for the origin first |
//! | that of a `SimulatedProcesses` | its methods |
//! | std's, while any thread begins or ends | a thread that begins in the copy, such as a new watcher's |
//! | the allocator's | nothing after `fork`, which glibc prepares it for; any code after a raw `clone` |

#![expect(
    unsafe_code,
    reason = "the wiped page: map, advise, read, unmap; in a test, a copy"
)]

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::contract::error::WatchError;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pid: u32,
    sign: Sign,
}

/// What tells the process from its copies besides its pid.
#[derive(Clone, Copy, Debug)]
enum Sign {
    Marked {
        page: &'static AtomicU64,
        mark: u64,
    },
    /// Where the kernel does not wipe pages.
    Namespace(Option<Namespace>),
}

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        let pid = process::id();
        let Ok(page) = wiped_page() else {
            let sign = Sign::Namespace(Namespace::current());
            return Origin { pid, sign };
        };
        // The counter is ordinary memory, so a copy counts on from where its
        // parent stood: the marks of a process and its ancestors all differ.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let fresh = NEXT.fetch_add(1, Ordering::SeqCst);
        let mark = match page.compare_exchange(0, fresh, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_zero) => fresh,
            Err(existing) => existing,
        };
        let sign = Sign::Marked { page, mark };
        Origin { pid, sign }
    }

    /// Returns `Forked` in a copy of the process that called `here`, with the exceptions above.
    pub(crate) fn check(&self) -> Result<(), WatchError> {
        let is_here = match self.sign {
            // Relaxed: within one process the word goes from zero to the mark
            // before any `Origin` holds the mark; in a copy the kernel writes it
            // before the first instruction.
            Sign::Marked { page, mark } => page.load(Ordering::Relaxed) == mark,
            Sign::Namespace(namespace) => {
                self.has_this_pid() && Namespace::may_be_current(namespace)
            }
        };
        if is_here {
            Ok(())
        } else {
            Err(WatchError::Forked)
        }
    }

    /// As [`check`](Self::check), and always compares the pid too. It is for the end of a
    /// watcher: a copy that took itself for the original would join a thread that it does not
    /// have.
    pub(crate) fn check_twice(&self) -> Result<(), WatchError> {
        if self.has_this_pid() {
            self.check()
        } else {
            Err(WatchError::Forked)
        }
    }

    fn has_this_pid(&self) -> bool {
        process::id() == self.pid
    }
}

/// A pid namespace, as `/proc` identifies it. In a namespace no two live processes have
/// one pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Namespace {
    device: u64,
    inode: u64,
}

impl Namespace {
    /// `None` if `/proc` is not mounted or does not show it.
    fn current() -> Option<Self> {
        if cfg!(miri) {
            return None;
        }
        let shown = fs::metadata("/proc/self/ns/pid").ok()?;
        Some(Namespace {
            device: shown.dev(),
            inode: shown.ino(),
        })
    }

    /// Returns `false` only if `/proc` shows that the calling process is in another
    /// namespace. A process may lose sight of `/proc`, by `chroot` for one.
    fn may_be_current(before: Option<Self>) -> bool {
        match (before, Namespace::current()) {
            (Some(before), Some(now)) => before == now,
            (None, _) | (_, None) => true,
        }
    }
}

/// Returns the one page of the process. The first call makes it. There is no lock, because a
/// copy that is forked while another thread holds the lock would wait for ever.
fn wiped_page() -> io::Result<&'static AtomicU64> {
    static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    let mut page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        let mine = map_wiped_page()?;
        let published = PAGE.compare_exchange(
            ptr::null_mut(),
            mine.as_ptr(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        page = match published {
            Ok(_null) => mine.as_ptr(),
            Err(other) => {
                mine.unmap();
                other
            }
        };
    }
    // SAFETY: a published page stays mapped, readable and writable for the life of
    // the process, is zeroed by the kernel (a valid `AtomicU64`), and is reached
    // only through shared references to the atomic.
    Ok(unsafe { &*page })
}

/// A page that no other thread has seen yet.
struct FreshPage(*mut AtomicU64);

const PAGE_BYTES: usize = size_of::<AtomicU64>();

impl FreshPage {
    fn as_ptr(&self) -> *mut AtomicU64 {
        self.0
    }

    /// Returns `Unsupported` if the kernel does not read the advice that it is given about
    /// this page.
    fn check_advice_is_read(&self) -> io::Result<()> {
        const NO_ADVICE: libc::c_int = -1;
        // SAFETY: the page is nobody else's, and a kernel that knew this advice would be
        // advised about a page without contents.
        let answer = unsafe { libc::madvise(self.0.cast(), PAGE_BYTES, NO_ADVICE) };
        let error = io::Error::last_os_error();
        if answer == -1 && error.raw_os_error() == Some(libc::EINVAL) {
            Ok(())
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn unmap(self) {
        // SAFETY: mapped by `map_wiped_page` with this length, and never shared.
        // A failure would leave one page mapped, harmlessly.
        let _ = unsafe { rustix::mm::munmap(self.0.cast(), PAGE_BYTES) };
    }
}

fn map_wiped_page() -> io::Result<FreshPage> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

    if cfg!(miri) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: a new private mapping, at an address of the kernel's choice.
    let address = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            PAGE_BYTES,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }?;
    let page = FreshPage(address.cast());
    // SAFETY: the advice concerns the mapping just made, which nobody else has.
    let advised = unsafe { madvise(address, PAGE_BYTES, Advice::LinuxWipeOnFork) };
    match advised
        .map_err(io::Error::from)
        .and_then(|()| page.check_advice_is_read())
    {
        Ok(()) => Ok(page),
        Err(error) => {
            page.unmap();
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_here(pid: u32, namespace: Option<Namespace>) -> bool {
        let sign = Sign::Namespace(namespace);
        match (Origin { pid, sign }).check() {
            Ok(()) => true,
            Err(WatchError::Forked) => false,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn without_a_wiped_page_the_own_pid_and_namespace_tell() {
        let own = Namespace::current();
        assert!(is_here(process::id(), own));
        assert!(!is_here(process::id() + 1, own));
        // Not seen then, or not seen now: the pid alone tells.
        assert!(is_here(process::id(), None));
        assert!(!is_here(process::id() + 1, None));
        let Some(own) = own else {
            return; // There is no /proc here.
        };
        let another = Namespace {
            inode: own.inode + 1,
            ..own
        };
        assert!(!is_here(process::id(), Some(another)));
    }

    #[test]
    fn the_second_check_asks_for_the_pid_too() {
        let here = Origin::here();
        assert!(here.check_twice().is_ok());
        // A copy whose page was not wiped.
        let copy = Origin {
            pid: here.pid + 1,
            ..here
        };
        assert!(matches!(copy.check_twice(), Err(WatchError::Forked)));
    }

    /// A copy may have the pid of its parent: each is process 1 of its own namespace.
    #[test]
    fn a_copy_that_has_a_watcher_of_its_own_knows_the_inherited_one() {
        // The page is this copy's alone.
        let copy = in_copy(|| {
            let Ok(page) = wiped_page() else {
                return true;
            };
            let inherited = Origin::here();
            // As the kernel does in a copy.
            page.store(0, Ordering::SeqCst);
            let own = Origin::here();
            inherited.check().is_err() && own.check().is_ok()
        });
        assert!(copy);
    }

    /// Forks, and returns what the copy finds.
    fn in_copy(finds: impl FnOnce() -> bool) -> bool {
        // SAFETY: the copy makes system calls and atomic operations, and never returns.
        match unsafe { libc::fork() } {
            -1 => panic!("{}", io::Error::last_os_error()),
            // SAFETY: ends the copy at once.
            0 => unsafe { libc::_exit(i32::from(!finds())) },
            copy => {
                let mut status = 0;
                // SAFETY: the status lives across the call.
                assert_eq!(unsafe { libc::waitpid(copy, &raw mut status, 0) }, copy);
                status == 0
            }
        }
    }

    #[test]
    fn a_page_that_is_not_wanted_is_given_back() {
        const ROUNDS: usize = 100;
        // Another test may make the one page that is wanted meanwhile.
        let before = wiped_mappings();
        for _ in 0..ROUNDS {
            if let Ok(page) = map_wiped_page() {
                page.unmap();
            }
        }
        assert!(wiped_mappings() < before + ROUNDS);
    }

    /// The kilobytes that a fork wipes.
    fn wiped_mappings() -> usize {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut sum, mut size) = (0, 0);
        for line in smaps.lines() {
            if let Some(kilobytes) = line.strip_prefix("Size:") {
                size = kilobytes.trim().trim_end_matches(" kB").parse().unwrap();
            } else if line.starts_with("VmFlags:") && line.contains(" wf") {
                sum += size;
            }
        }
        sum
    }
}
