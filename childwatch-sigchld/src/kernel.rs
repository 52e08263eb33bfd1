//! What depends on the kernel's release.

use std::fs;
use std::sync::OnceLock;

/// Whether a `waitid` of one child walks over all of them, as before Linux 5.13.
pub(crate) fn walks_over_all() -> bool {
    !is_at_least((5, 13))
}

/// Whether `SIGCHLD` tells a process's own status. Before (seen from Linux 5.17 to 6.12, and
/// no more on 6.18), of a process whose first thread has ended before the others it tells the
/// first thread's, and `waitid` the process's.
pub(crate) fn signals_tell_own_status() -> bool {
    is_at_least((6, 18))
}

/// A kernel whose release says nothing is taken for an old one.
fn is_at_least(wanted: (u32, u32)) -> bool {
    static RELEASE: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    let release = RELEASE.get_or_init(|| {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease");
        numbers(&release.unwrap_or_default())
    });
    release.is_some_and(|release| release >= wanted)
}

/// The first two numbers of a release.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart_by_their_release() {
        assert_eq!(numbers("4.7.0"), Some((4, 7)));
        assert_eq!(numbers("5.10.0-28-amd64"), Some((5, 10)));
        assert_eq!(numbers("6.1"), Some((6, 1)));
        assert_eq!(numbers("10.0.0-rc1\n"), Some((10, 0)));
        for nothing in ["", "linux", "6", "6."] {
            assert_eq!(numbers(nothing), None, "{nothing}");
        }
        assert!(is_at_least((4, 7)));
        assert!(!is_at_least((u32::MAX, 0)));
    }
}
