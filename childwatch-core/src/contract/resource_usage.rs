//! [`ResourceUsage`]: what a process has used until its exit.

use std::time::Duration;

/// What a process has used until its exit, as the kernel counted it.
///
/// The numbers are those of `wait4`: of the process itself, with all its threads, and of those
/// descendants that have exited and been waited for. A descendant that the kernel has reaped by
/// itself, because its parent ignores `SIGCHLD`, is not included.
///
/// The kernel is asked before the process is reaped. The last steps of an exit may come after
/// that: `wait4` may then count a context switch and some microseconds more.
///
/// Fields may be added. Tests create a value from the default, which is zero everywhere:
///
/// ```
/// use std::time::Duration;
/// use childwatch_core::ResourceUsage;
///
/// let mut usage = ResourceUsage::default();
/// usage.user_time = Duration::from_millis(250);
/// assert_eq!(usage.processor_time(), Duration::from_millis(250));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceUsage {
    /// The processor time in user mode, to the microsecond (`ru_utime`).
    pub user_time: Duration,
    /// The processor time in the kernel, to the microsecond (`ru_stime`).
    pub system_time: Duration,
    /// The most memory that was resident at once, in bytes (`ru_maxrss`, which is in KiB).
    ///
    /// It is the maximum of the process and of each descendant that was waited for, and not a sum.
    /// The time before an `exec` counts. So a child that a large program starts has at least the
    /// size that this program had then.
    pub max_resident: u64,
    /// The page faults that needed no input (`ru_minflt`).
    pub minor_faults: u64,
    /// The page faults that needed input (`ru_majflt`).
    pub major_faults: u64,
    /// Input from block devices, in blocks of 512 bytes (`ru_inblock`).
    pub input_blocks: u64,
    /// Output to block devices, in blocks of 512 bytes (`ru_oublock`).
    pub output_blocks: u64,
    /// The context switches in which a thread waited for something (`ru_nvcsw`).
    pub voluntary_switches: u64,
    /// The context switches in which a thread was preempted (`ru_nivcsw`).
    pub involuntary_switches: u64,
}

impl ResourceUsage {
    /// Returns the processor time in user mode and in the kernel together.
    #[must_use]
    pub const fn processor_time(&self) -> Duration {
        self.user_time.saturating_add(self.system_time)
    }
}
