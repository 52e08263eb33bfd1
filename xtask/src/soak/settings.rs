//! [`Soak`]: what the soak of one backend is to do.

use std::time::Duration;

pub(super) struct Soak {
    pub(super) backend: String,
    pub(super) seed: u64,
    pub(super) children: usize,
    pub(super) threads: usize,
    pub(super) time: Duration,
    pub(super) patience: Duration,
}

impl Soak {
    /// Returns the limit on pids. With few pids they are reused quickly. Pids below 300 are
    /// not reused.
    pub(super) fn pid_max(&self) -> u32 {
        let numbers = 400 + self.children + self.children / 2;
        u32::try_from(numbers).unwrap_or(u32::MAX)
    }
}
