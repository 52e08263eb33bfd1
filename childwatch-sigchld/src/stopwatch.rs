//! [`Stopwatch`]: what the watcher's thread spends on looking at children.

use std::time::Duration;

use rustix::time::{ClockId, DynamicClockId, Timespec, clock_gettime, clock_gettime_dynamic};

/// Measures processor time of this thread: on a busy machine, what others take is not
/// charged, and so does not put off what is to be found.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    start: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch { start: spent() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        spent().saturating_sub(self.start)
    }
}

/// Unlike the other clocks this one is a system call, which a sandbox may refuse.
fn spent() -> Duration {
    let Timespec { tv_sec, tv_nsec } =
        clock_gettime_dynamic(DynamicClockId::Known(ClockId::ThreadCPUTime))
            .unwrap_or_else(|_| clock_gettime(ClockId::Monotonic));
    Duration::new(
        tv_sec.try_into().unwrap_or_default(),
        tv_nsec.try_into().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_thread_spends_is_measured() {
        let stopwatch = Stopwatch::start();
        // Reading it takes time.
        assert!((0..100_000).any(|_| !stopwatch.elapsed().is_zero()));
    }

    #[test]
    fn it_begins_with_what_has_been_spent_before() {
        assert!((0..100_000).any(|_| !spent().is_zero()));
        let spent_before = spent();
        assert!(Stopwatch::start().start >= spent_before);
    }
}
