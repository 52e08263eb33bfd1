//! Threads of this process, one by one.

#![expect(
    unsafe_code,
    reason = "the raw `exit` of one thread, `unshare`, and `close` in a table of its own"
)]

use std::ffi::CStr;
use std::time::Duration;

use childwatch_core::Pid;
use rustix::time::{ClockId, clock_gettime};

/// Returns this thread's id.
#[must_use]
pub fn thread_id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// The numbers of this process's threads.
pub(crate) fn threads() -> Vec<i32> {
    std::fs::read_dir("/proc/self/task")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Returns `true` if the kernel takes this process for one with a single thread, as it must
/// be for a new user namespace. This question changes nothing.
pub(crate) fn has_one_thread() -> bool {
    // SAFETY: takes a plain value. The flag has no effect by itself (unshare(2)).
    unsafe { libc::unshare(libc::CLONE_THREAD) == 0 }
}

/// Gives this thread a table of descriptors of its own, with the standard streams only.
pub(crate) fn leave_the_table_of_files() {
    /// Far more than the suite has open.
    const NUMBERS: i32 = 1024;
    // SAFETY: takes a plain value. The files stay open in the process's table.
    let answer = unsafe { libc::unshare(libc::CLONE_FILES) };
    assert_eq!(answer, 0, "unshare(CLONE_FILES)");
    for number in 3..NUMBERS {
        // SAFETY: takes a plain number. The table is a copy, whose files nobody uses.
        unsafe { libc::close(number) };
    }
}

/// Ends this thread alone by the raw call; the process lives on while others do.
pub(crate) fn exit_thread_only() -> ! {
    // SAFETY: the thread's stack is not freed by anybody: it is the main thread's,
    // and no destructor of a value on it is owed to another thread.
    unsafe {
        libc::syscall(libc::SYS_exit, 0);
    }
    unreachable!("exit does not return")
}

/// The processor time that a thread of this process has taken.
pub(crate) fn processor_time(thread: i32) -> Duration {
    // utime and stime are the 14th and 15th of all fields.
    let ticks: u64 = stat(thread)
        .expect("the thread lives")
        .split(' ')
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("a number of ticks"))
        .sum();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

/// How long a thread of this process has wanted to run and others ran; zero where the
/// kernel does not count that.
pub(crate) fn run_delay(thread: i32) -> Duration {
    let path = format!("/proc/self/task/{thread}/schedstat");
    let delay = std::fs::read_to_string(path).ok().and_then(|schedstat| {
        let nanoseconds = schedstat.split(' ').nth(1)?;
        nanoseconds.parse().ok()
    });
    Duration::from_nanos(delay.unwrap_or(0))
}

/// Whether a thread of this process sleeps, as one does that waits for another; also
/// if it has ended.
pub(crate) fn is_asleep(thread: i32) -> bool {
    stat(thread).is_none_or(|stat| !stat.starts_with('R'))
}

/// The fields of a thread's `stat` from the third on, its state; the second is its name.
/// `None` when it has ended.
fn stat(thread: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .expect("stat names its thread in parentheses");
    Some(fields.to_owned())
}

/// A thread of another process that is not its first.
pub(crate) fn another_thread_of(pid: Pid) -> Pid {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    threads
        .flatten()
        .filter_map(|thread| thread.file_name().to_str()?.parse().ok())
        .find(|thread| *thread != pid)
        .expect("it has another thread")
}

/// Names this thread, and the processes that it forks.
pub(crate) fn name_this_thread(name: &CStr) {
    rustix::thread::set_name(name).expect("prctl(PR_SET_NAME)");
}

/// How often a thread of this process has been switched to.
pub(crate) fn wakeups(thread: i32) -> u64 {
    let path = format!("/proc/self/task/{thread}/status");
    let status = std::fs::read_to_string(path).expect("the thread lives");
    status
        .lines()
        .filter(|line| line.contains("voluntary_ctxt_switches:"))
        .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
        .sum()
}

/// Returns the time since boot, from the clock that the kernel takes processes' start times from.
#[must_use]
pub fn since_boot() -> Duration {
    time_by(ClockId::Boottime)
}

/// Returns what a clock shows.
#[must_use]
pub fn time_by(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}
