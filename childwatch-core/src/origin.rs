//! [`Origin`]: the process that made a watcher, told from its forked copies
//! without a system call.
//!
//! A page that the kernel wipes in every forked copy (`MADV_WIPEONFORK`, Linux
//! 4.14) carries the process's mark: a number that no ancestor of the process
//! has had. A copy finds zero there, or a mark of its own. `pthread_atfork` would
//! not do: it does not see a fork by a raw system call. `getpid` would: it is the
//! fallback, but costs a system call each time.

#![expect(unsafe_code, reason = "the wiped page: map, advise, read, unmap")]

use std::io;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::WatchError;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Marked {
        page: &'static AtomicU64,
        mark: u64,
    },
    /// Where the kernel does not wipe pages.
    Numbered(u32),
}

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        let Ok(page) = wiped_page() else {
            return Origin::Numbered(process::id());
        };
        // The counter is ordinary memory, so a copy counts on from where its
        // parent stood: the marks of a process and its ancestors all differ.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let fresh = NEXT.fetch_add(1, Ordering::SeqCst);
        let mark = match page.compare_exchange(0, fresh, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_zero) => fresh,
            Err(existing) => existing,
        };
        Origin::Marked { page, mark }
    }

    /// `Forked` in any process but the one that called `here`.
    pub(crate) fn check(&self) -> Result<(), WatchError> {
        let is_here = match self {
            // Relaxed: within one process the word goes from zero to the mark
            // before any `Origin` holds the mark; in a copy the kernel writes it
            // before the first instruction.
            Origin::Marked { page, mark } => page.load(Ordering::Relaxed) == *mark,
            Origin::Numbered(pid) => process::id() == *pid,
        };
        if is_here {
            Ok(())
        } else {
            Err(WatchError::Forked)
        }
    }
}

/// The one page, made by the first to ask. Without a lock: a copy forked while
/// another thread held it would wait for ever.
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

/// A page that nobody else has seen yet.
struct FreshPage(*mut AtomicU64);

const PAGE_BYTES: usize = size_of::<AtomicU64>();

impl FreshPage {
    fn as_ptr(&self) -> *mut AtomicU64 {
        self.0
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
    match unsafe { madvise(address, PAGE_BYTES, Advice::LinuxWipeOnFork) } {
        Ok(()) => Ok(page),
        Err(error) => {
            page.unmap();
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_wiped_page_the_own_number_tells() {
        assert!(Origin::Numbered(process::id()).check().is_ok());
        let another = Origin::Numbered(process::id() + 1);
        assert!(matches!(another.check(), Err(WatchError::Forked)));
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
