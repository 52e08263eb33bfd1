//! The kernel's clocks, read by the system call itself.
//!
//! The usual way goes through libc or the vDSO. Libraries that fake the time replace
//! libc's function, and valgrind hides the vDSO from the program, so that rustix finds
//! none and crashes (1.1). The system call costs about 0.1 µs and is immune to both.

#![expect(unsafe_code, reason = "the system call `clock_gettime`")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Reads a clock. `None` if a sandbox refuses.
fn read(clock: libc::clockid_t) -> Option<Duration> {
    /// The kernel's structure for this system call.
    #[repr(C)]
    struct Timespec {
        seconds: libc::c_long,
        nanoseconds: libc::c_long,
    }
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the kernel writes a structure of this layout, which lives across the call.
    let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    if answer != 0 {
        return None;
    }
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanoseconds = u32::try_from(time.nanoseconds).ok()?;
    Some(Duration::new(seconds, nanoseconds))
}

/// The time since some moment before: a clock that does not go back.
pub(crate) fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    read(libc::CLOCK_MONOTONIC).unwrap_or_else(|| START.get_or_init(Instant::now).elapsed())
}

/// The processor time of the calling thread. On a busy machine, the time that other
/// threads take is not charged to the watcher's.
fn thread_time() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_else(monotonic)
}

/// Measures processor time of the calling thread.
#[derive(Debug)]
pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch(thread_time())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        thread_time().saturating_sub(self.0)
    }
}

/// A moment, as `/proc` shows the start times of processes: the time since boot in
/// units of `USER_HZ` (10 ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(u64);

impl Ticks {
    /// Later than every start. It is the moment of what is not known.
    pub(crate) const NEVER: Ticks = Ticks(u64::MAX);

    pub(crate) const fn from_raw(ticks: u64) -> Self {
        Ticks(ticks)
    }

    /// The present moment, or [`NEVER`](Self::NEVER) if a sandbox refuses the clock.
    pub(crate) fn now() -> Self {
        read(libc::CLOCK_BOOTTIME).map_or(Ticks::NEVER, |now| {
            let a_second = rustix::param::clock_ticks_per_second();
            let within = u64::from(now.subsec_nanos()) * a_second / 1_000_000_000;
            Ticks(now.as_secs() * a_second + within)
        })
    }

    /// So many ticks later, or earlier.
    #[cfg(test)]
    pub(crate) fn and(self, ticks: i64) -> Self {
        Ticks(self.0.saturating_add_signed(ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_of_this_thread_is_measured() {
        let stopwatch = Stopwatch::start();
        // Reading it takes time.
        assert!((0..100_000).any(|_| !stopwatch.elapsed().is_zero()));
    }

    #[test]
    fn a_stopwatch_does_not_count_what_came_before() {
        assert!((0..100_000).any(|_| !thread_time().is_zero()));
        let before = thread_time();
        assert!(Stopwatch::start().0 >= before);
    }

    #[test]
    fn time_passes() {
        let before = monotonic();
        assert!((0..1_000_000).any(|_| monotonic() > before));
    }

    #[test]
    fn an_unknown_clock_is_no_time() {
        assert_eq!(read(9_999), None);
    }

    #[test]
    fn the_present_tick_lies_between_boot_and_never() {
        let now = Ticks::now();
        assert!(Ticks::from_raw(0) < now && now < Ticks::NEVER);
    }
}
