//! What depends on the kernel's release.

use std::fs;

/// Returns `true` if a `waitid` of one child walks over all children, as before Linux 5.13.
///
/// If the release cannot be read, the kernel is taken for an old one. That is slower, and correct.
#[cfg_attr(
    childwatch_loom,
    expect(dead_code, reason = "a model's kernel answers instead")
)]
pub(crate) fn walks_over_all() -> bool {
    // Not by `uname`: rustix (1.1) does not expect a sandbox to refuse it.
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    is_before_5_13(&release.unwrap_or_default())
}

fn is_before_5_13(release: &str) -> bool {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let release = numbers.next().zip(numbers.next());
    release.is_none_or(|release| release < (5, 13))
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
            assert!(is_before_5_13(old), "{old}");
        }
        for new in ["5.13.0", "5.15.0-100-generic", "6.1", "10.0.0-rc1\n"] {
            assert!(!is_before_5_13(new), "{new}");
        }
    }
}
