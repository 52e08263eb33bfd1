//! [`Release`]: what depends on the kernel's release.

use std::fs;
use std::sync::OnceLock;

/// The first two numbers of a release. A kernel whose release says nothing is taken for an
/// old one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release(Option<(u32, u32)>);

impl Release {
    /// That of the kernel underneath, which is asked once.
    pub(crate) fn running() -> Self {
        static RUNNING: OnceLock<Release> = OnceLock::new();
        *RUNNING.get_or_init(|| {
            let release = fs::read_to_string("/proc/sys/kernel/osrelease");
            Release::parse(&release.unwrap_or_default())
        })
    }

    fn parse(release: &str) -> Self {
        let mut numbers = release
            .split(|letter: char| !letter.is_ascii_digit())
            .map_while(|number| number.parse().ok());
        Release(numbers.next().zip(numbers.next()))
    }

    /// Whether a `waitid` of one child walks over all of them, as before Linux 5.13.
    pub(crate) fn walks_over_all(self) -> bool {
        !self.is_at_least((5, 13))
    }

    /// Whether `SIGCHLD` tells a process's own status. Before (seen from Linux 5.17 to 6.12,
    /// and no more on 6.18), of a process whose first thread has ended before the others it
    /// tells the first thread's, and `waitid` the process's.
    pub(crate) fn signals_tell_own_status(self) -> bool {
        self.is_at_least((6, 18))
    }

    fn is_at_least(self, wanted: (u32, u32)) -> bool {
        self.0.is_some_and(|release| release >= wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart_by_their_release() {
        for old in [
            "4.7.0",
            "5.10.0-28-amd64",
            "5.12.19",
            "",
            "linux",
            "6",
            "6.",
        ] {
            assert!(Release::parse(old).walks_over_all(), "{old}");
            assert!(!Release::parse(old).signals_tell_own_status(), "{old}");
        }
        for between in ["5.13.0", "5.15.0-100-generic", "6.1", "6.17.9"] {
            assert!(!Release::parse(between).walks_over_all(), "{between}");
            assert!(
                !Release::parse(between).signals_tell_own_status(),
                "{between}"
            );
        }
        for new in ["6.18.44", "7.2.12+deb14-cloud-amd64", "10.0.0-rc1\n"] {
            assert!(!Release::parse(new).walks_over_all(), "{new}");
            assert!(Release::parse(new).signals_tell_own_status(), "{new}");
        }
        assert!(Release::running().is_at_least((4, 7)));
    }
}
