//! Making descriptors: [`keep_clear`], [`make_descriptor`].
//!
//! A program may run without standard streams. The kernel then gives the numbers 0 to 2 to
//! the next files, and some may be the watcher's. The program does not expect that: it prints
//! to them, and `daemon(3)` leads them to `/dev/null` without a look at what they are. If the
//! watcher's epoll instance or a pidfd is lost in this way, exits are not reported any more.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use crate::contract::error::WatchError;

/// The first number that is not that of a standard stream.
const FIRST: RawFd = 3;

/// Makes a file whose number is none of the standard streams'. Calls `make` up to four times.
///
/// # Errors
///
/// The error of `make`.
pub fn keep_clear<F: AsRawFd, E>(make: impl Fn() -> Result<F, E>) -> Result<F, E> {
    let mut file = make()?;
    // While they are open, the next file gets another number.
    let mut low = Vec::new();
    while file.as_raw_fd() < FIRST {
        low.push(file);
        file = make()?;
    }
    Ok(file)
}

/// As [`keep_clear`], for a descriptor that a watcher has for all of its life. `operation` names
/// the system call in the error.
///
/// # Errors
///
/// - [`ResourceLimit`](WatchError::ResourceLimit) with EMFILE, ENFILE, ENOMEM and ENOSPC.
/// - [`Unsupported`](WatchError::Unsupported) with ENOSYS, EPERM, EACCES and ENODEV.
/// - [`Os`](WatchError::Os) with any other error of `make`.
pub fn make_descriptor<F: AsRawFd, E: Into<io::Error>>(
    operation: &'static str,
    make: impl Fn() -> Result<F, E>,
) -> Result<F, WatchError> {
    keep_clear(make).map_err(|error| descriptor_refused(operation, error.into()))
}

/// The error of [`make_descriptor`], for another system call that a new descriptor needs.
#[must_use]
pub fn descriptor_refused(operation: &'static str, source: io::Error) -> WatchError {
    let pid = None;
    match source.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOSPC) => {
            WatchError::ResourceLimit {
                operation,
                pid,
                source,
            }
        }
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::ENODEV) => WatchError::Unsupported {
            operation,
            pid,
            source,
        },
        _ => WatchError::Os {
            operation,
            pid,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    struct Numbered(RawFd);

    impl AsRawFd for Numbered {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    #[test]
    fn a_low_number_is_kept_until_there_is_a_higher_one() {
        for (first, calls) in [(0, 4), (2, 2), (3, 1), (7, 1)] {
            let next = Cell::new(first);
            let made = keep_clear(|| Ok::<_, Infallible>(Numbered(next.replace(next.get() + 1))));
            let Ok(Numbered(number)) = made;
            assert_eq!(number, first.max(FIRST));
            assert_eq!(next.get() - first, calls);
        }
    }

    #[test]
    fn an_error_is_passed_on() {
        let calls = Cell::new(0);
        let made = keep_clear(|| match calls.replace(calls.get() + 1) {
            0 => Ok(Numbered(0)),
            _ => Err("no file is left"),
        });
        assert_eq!(made.err(), Some("no file is left"));
    }

    #[test]
    fn a_refused_descriptor_is_a_shortage_or_not_offered_or_another_error() {
        let made = |errno| {
            let make = || Err::<Numbered, _>(io::Error::from_raw_os_error(errno));
            make_descriptor("a call", make).map(drop)
        };
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOSPC] {
            assert!(matches!(made(errno), Err(WatchError::ResourceLimit { .. })));
        }
        for errno in [libc::ENOSYS, libc::EPERM, libc::EACCES, libc::ENODEV] {
            assert!(matches!(made(errno), Err(WatchError::Unsupported { .. })));
        }
        assert!(matches!(made(libc::EIO), Err(WatchError::Os { .. })));
    }
}
