//! Making descriptors: [`make_descriptor`].

use std::io;
use std::os::fd::AsRawFd;

use crate::contract::error::WatchError;
use crate::platform::keep_clear::keep_clear;

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
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn a_refused_descriptor_is_a_shortage_or_not_offered_or_another_error() {
        let made = |errno| {
            let make = || Err::<OwnedFd, _>(io::Error::from_raw_os_error(errno));
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
