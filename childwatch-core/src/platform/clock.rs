//! The kernel's clocks, read by the system call itself.
//!
//! The usual way goes through libc or the vDSO. Libraries that fake the time replace libc's
//! function. valgrind hides the vDSO from the program, so that rustix finds none and
//! crashes (1.1). Without `/proc` rustix does not learn where the vDSO is, nor how many
//! ticks a second has, and panics before Linux 6.4 (1.1). The system call costs about
//! 0.1 µs and is immune to all three.

#![expect(unsafe_code, reason = "the system call `clock_gettime`")]

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
    // has been.
    static START: OnceLock<(Duration, Instant)> = OnceLock::new();
    let now = read(libc::CLOCK_MONOTONIC);
    let (start, began) = START.get_or_init(|| (now.unwrap_or_default(), Instant::now()));
    now.unwrap_or_else(|| *start + began.elapsed())
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    fn where_the_call_is_refused_time_goes_on() {
        let before = monotonic();
        let on_other_thread = std::thread::spawn(|| {
            // SAFETY: both structures live across the call, and the filter is whole. It
            // concerns this thread alone.
            unsafe {
                let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
                let number = libc::SYS_clock_gettime as u32;
                let mut code = [
                    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
                    libc::sock_filter {
                        jf: 1,
                        ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number)
                    },
                    statement(libc::BPF_RET | libc::BPF_K, refuse),
                    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
                ];
                let filter = libc::sock_fprog {
                    len: code.len() as u16,
                    filter: code.as_mut_ptr(),
                };
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                let mode = libc::SECCOMP_MODE_FILTER;
                if libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) != 0 {
                    // Filters are not available here.
                    return None;
                }
            }
            assert_eq!(read(libc::CLOCK_MONOTONIC), None);
            Some(monotonic())
        });
        if let Some(after) = on_other_thread.join().unwrap() {
            assert!(before <= after && after < before + Duration::from_secs(60));
        }
    }

    fn statement(code: u32, k: u32) -> libc::sock_filter {
        libc::sock_filter {
            code: code as u16,
            jt: 0,
            jf: 0,
            k,
        }
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

    #[test]
    fn the_kernel_counts_so_many_ticks_a_second() {
        // SAFETY: takes a plain value.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        assert_eq!(u64::try_from(ticks), Ok(USER_HZ));
    }
}
