//! [`Limit`]: a limit that the kernel itself refuses calls for.

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// `RLIMIT_NOFILE`: the n-th file that is opened is one too many.
    Files,
    /// `RLIMIT_AS`.
    Memory,
}
