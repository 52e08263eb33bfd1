//! [`Stopwatch`]: the wall time and processor time of some work.

use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The time of a look at whether other threads still work.
const LOOK: Duration = Duration::from_millis(2);
/// Threads that work less than this in a look are idle.
const AT_REST: Duration = Duration::from_micros(20);
/// The most looks. A thread that still works then does so for other reasons.
const LOOKS: usize = 25;

/// Started before the work.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Cpu,
}

/// The cost of the work, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The time until the work was done, as the caller saw it.
    pub(crate) wall: f64,
    /// The processor time of every thread, until the last thread is idle.
    pub(crate) cpu: f64,
}

/// Processor time. Children of a [`Crowd`](childwatch_ptrace_free_tests::kit::crowd::Crowd)
/// are processes of their own, and are in none of these clocks.
#[derive(Clone, Copy)]
struct Cpu {
    process: Duration,
    this_thread: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let cpu = Cpu::now();
        let wall = Instant::now();
        Stopwatch { wall, cpu }
    }

    /// Stops the clocks for this thread, and waits until the other threads are idle. Their
    /// processor time counts until then.
    pub(crate) fn stop(self) -> Cost {
        let wall = self.wall.elapsed();
        let stopped = Cpu::now();
        let mut others = stopped.others();
        for _ in 0..LOOKS {
            pause(LOOK);
            let before = std::mem::replace(&mut others, Cpu::now().others());
            if others.saturating_sub(before) < AT_REST {
                break;
            }
        }
        let own = stopped.this_thread - self.cpu.this_thread;
        let cpu = own + others.saturating_sub(self.cpu.others());
        Cost {
            wall: wall.as_secs_f64(),
            cpu: cpu.as_secs_f64(),
        }
    }
}

impl Cpu {
    fn now() -> Self {
        Cpu {
            process: read(ClockId::ProcessCPUTime),
            this_thread: read(ClockId::ThreadCPUTime),
        }
    }

    fn others(self) -> Duration {
        self.process.saturating_sub(self.this_thread)
    }
}

/// Returns the processor time of every thread but this one.
pub(crate) fn others_cpu() -> Duration {
    Cpu::now().others()
}

/// Waits for this long.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}

/// Waits until this moment.
pub(crate) fn pause_until(moment: Instant) {
    pause(moment.saturating_duration_since(Instant::now()));
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_threads_work_counts_as_the_callers_own() {
        let work = Duration::from_millis(5);
        let stopwatch = Stopwatch::start();
        let worker = thread::spawn(move || while read(ClockId::ThreadCPUTime) < work {});
        worker.join().unwrap();
        let cost = stopwatch.stop();
        assert!(cost.cpu >= work.as_secs_f64(), "{cost:?}");
    }
}
