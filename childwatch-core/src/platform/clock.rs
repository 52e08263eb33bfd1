//! The kernel's clocks, read by the system call itself.
//!
//! The usual way goes through libc or the vDSO. Libraries that fake the time replace libc's
//! function. valgrind hides the vDSO from the program, so that rustix finds none and
//! crashes (1.1). Without `/proc` rustix does not learn where the vDSO is, nor how many
//! ticks a second has, and panics before Linux 6.4 (1.1). The system call costs about
//! 0.1 µs and is immune to all three.

#![expect(
    unsafe_code,
    reason = "the system call `clock_gettime`; in a test, copies and a time namespace"
)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Reads a clock. Returns `None` if a sandbox refuses.
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

/// Returns the time since some moment before, by a clock that does not go back.
#[must_use]
pub fn monotonic() -> Duration {
    // A sandbox may refuse the call at any time, so std's clock goes on where the kernel's
    // has been. That is read last: if the thread loses its processor in between, std's
    // clock is ahead, and the time does not go back.
    static START: OnceLock<(Instant, Duration)> = OnceLock::new();
    let kernels = || read(libc::CLOCK_MONOTONIC);
    let (began, start) = START.get_or_init(|| (Instant::now(), kernels().unwrap_or_default()));
    kernels().unwrap_or_else(|| *start + began.elapsed())
}

/// The processor time of the calling thread.
fn thread_time() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_else(monotonic)
}

/// Measures the processor time that the calling thread takes. On a busy machine, the time
/// that other threads take is not counted.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Self {
        Stopwatch(thread_time())
    }

    /// Returns the processor time since the start. It must be called on the same thread.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        thread_time().saturating_sub(self.0)
    }
}

/// Ticks a second: `USER_HZ`, which is 100 on every architecture that Rust has on Linux.
const USER_HZ: u64 = 100;

/// A moment, as `/proc` shows the start times of processes: the time since boot, in ticks
/// of 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(u64);

impl Ticks {
    /// Later than every start. It stands for an unknown moment.
    pub const NEVER: Ticks = Ticks(u64::MAX);

    /// The moment with this number, the 22nd field of `/proc/PID/stat`.
    #[must_use]
    pub const fn from_raw(ticks: u64) -> Self {
        Ticks(ticks)
    }

    /// The moment's number.
    #[must_use]
    pub const fn as_raw(self) -> u64 {
        self.0
    }

    /// Returns the present moment, or [`NEVER`](Self::NEVER) if a sandbox refuses the clock.
    #[must_use]
    pub fn now() -> Self {
        read(libc::CLOCK_BOOTTIME).map_or(Ticks::NEVER, |now| {
            let within = u64::from(now.subsec_nanos()) * USER_HZ / 1_000_000_000;
            Ticks(now.as_secs() * USER_HZ + within)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::refusing::on_a_thread_without;

    #[test]
    fn the_processor_time_of_this_thread_is_measured() {
        let stopwatch = Stopwatch::start();
        // Reading it takes time.
        assert!((0..100_000).any(|_| !stopwatch.elapsed().is_zero()));
    }

    /// The processor time of the whole process would count them.
    #[test]
    fn the_time_that_other_threads_take_is_not_counted() {
        const OTHERS: Duration = Duration::from_millis(50);
        let stopwatch = Stopwatch::start();
        let other = std::thread::spawn(|| {
            let busy = Stopwatch::start();
            while busy.elapsed() < OTHERS {}
        });
        // This thread sleeps meanwhile, for however long that takes.
        other.join().unwrap();
        assert!(stopwatch.elapsed() < OTHERS);
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

    /// A clock that somebody sets could go back, and no heartbeat would come for so long.
    #[test]
    fn it_is_the_clock_that_nobody_sets() {
        let kernel_time = || {
            let mut time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: the structure lives across the call.
            let answer = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
            assert_eq!(answer, 0);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        let before = kernel_time();
        let between = monotonic();
        assert!(before <= between && between <= kernel_time());
    }

    #[test]
    fn where_the_call_is_refused_time_goes_on() {
        let before = monotonic();
        let after = on_a_thread_without(libc::SYS_clock_gettime, || {
            assert_eq!(read(libc::CLOCK_MONOTONIC), None);
            monotonic()
        });
        if let Some(after) = after {
            assert!(before <= after && after < before + Duration::from_secs(60));
        }
    }

    /// Otherwise the looks of a watcher would cost nothing, and it would look without a pause.
    #[test]
    fn where_the_call_is_refused_a_stopwatch_goes_on() {
        on_a_thread_without(libc::SYS_clock_gettime, || {
            let stopwatch = Stopwatch::start();
            assert!((0..1_000_000).any(|_| !stopwatch.elapsed().is_zero()));
        });
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

    /// The kernel shows start times by the clock that counts the time asleep too. The other
    /// clock of the time since boot agrees with it until the machine first sleeps. In a time
    /// namespace with an offset for one of the two they differ at once.
    #[test]
    fn the_present_tick_counts_the_time_that_the_machine_has_slept() {
        let before = Ticks::now();
        let counts = after_a_sleep(|| Ticks::now().0 >= before.0 + ASLEEP_SECONDS * USER_HZ);
        assert_ne!(counts, Some(false));
    }

    /// Otherwise all waits that a suspended machine has slept through would be over at once.
    #[test]
    fn the_time_that_the_machine_has_slept_is_not_waited() {
        let before = monotonic();
        let passes = after_a_sleep(|| monotonic() < before + Duration::from_secs(ASLEEP_SECONDS));
        assert_ne!(passes, Some(false));
    }

    const ASLEEP_SECONDS: u64 = 1_000_000;

    /// Returns what is true in a process to which the machine seems to have slept for
    /// [`ASLEEP_SECONDS`]. `None` if the system does not allow that.
    fn after_a_sleep(is_true: impl FnOnce() -> bool) -> Option<bool> {
        const IT_IS: i32 = 0;
        const IT_IS_NOT: i32 = 1;
        const NO_NAMESPACE: i32 = 2;
        // A process enters its new time namespace only by a fork.
        let ended = code_of_copy(|| {
            // SAFETY: takes plain values. The copy has one thread.
            let unshared = |kinds| unsafe { libc::unshare(kinds) } == 0;
            if !unshared(libc::CLONE_NEWTIME)
                && !unshared(libc::CLONE_NEWTIME | libc::CLONE_NEWUSER)
            {
                return NO_NAMESPACE;
            }
            let offset = format!("{} {ASLEEP_SECONDS} 0\n", libc::CLOCK_BOOTTIME);
            if std::fs::write("/proc/self/timens_offsets", offset).is_err() {
                return NO_NAMESPACE;
            }
            code_of_copy(|| if is_true() { IT_IS } else { IT_IS_NOT })
        });
        if ended == NO_NAMESPACE {
            eprintln!("not tested: this system gives no time namespace (Linux 5.6) here");
            return None;
        }
        Some(ended == IT_IS)
    }

    /// Forks, and returns the code that the copy exits with.
    fn code_of_copy(body: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the copy makes system calls, and allocates, which glibc and musl allow in a
        // copy that `fork` has made. It runs no other code of this process, and never returns.
        match unsafe { libc::fork() } {
            -1 => panic!("{}", std::io::Error::last_os_error()),
            // SAFETY: ends the copy at once.
            0 => unsafe { libc::_exit(body()) },
            copy => {
                let mut status = 0;
                // SAFETY: the status lives across the call.
                assert_eq!(unsafe { libc::waitpid(copy, &raw mut status, 0) }, copy);
                assert!(libc::WIFEXITED(status));
                libc::WEXITSTATUS(status)
            }
        }
    }

    #[test]
    fn the_kernel_counts_so_many_ticks_a_second() {
        // SAFETY: takes a plain value.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        assert_eq!(u64::try_from(ticks), Ok(USER_HZ));
    }
}
