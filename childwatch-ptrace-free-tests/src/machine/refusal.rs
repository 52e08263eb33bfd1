//! [`Refusal`]: a system call that the kernel is made to refuse, by seccomp, or to
//! ignore.
//!
//! A filter stays as long as what it was installed for: the process, or one thread
//! and the threads that it starts from then on. Where two match a call, the newer
//! one's error is the answer. A filter never stops a call that has begun.

use std::thread;

use rustix::io::Errno;

use crate::kit::sys::filters::{Filter, Matching, Threads};
use crate::kit::sys::permits;
use crate::machine::numbers::{EPOLL_WAITS, POLLS, SELECTS};

/// A system call, in whole or in one of its uses, and the error that it is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    call: libc::c_long,
    used: Matching,
    /// `None`: the call answers 0, and does nothing.
    errno: Option<Errno>,
}

impl Refusal {
    /// The call gives this error, whatever its arguments are.
    #[must_use]
    pub const fn of(call: libc::c_long, errno: Errno) -> Self {
        Refusal {
            call,
            used: Matching::Any,
            errno: Some(errno),
        }
    }

    /// A call that answers 0, as if it had succeeded, and does nothing.
    pub(crate) const fn ignored(call: libc::c_long) -> Self {
        Refusal {
            call,
            used: Matching::Any,
            errno: None,
        }
    }

    /// Only with this value for the argument, which is counted from 0.
    #[must_use]
    pub const fn with(self, argument: u8, value: u32) -> Self {
        let used = Matching::Equal { argument, value };
        Refusal { used, ..self }
    }

    /// Only with this flag in the argument, which is counted from 0.
    pub(crate) const fn with_flag(self, argument: u8, flag: u32) -> Self {
        let used = Matching::WithFlag { argument, flag };
        Refusal { used, ..self }
    }

    /// `pidfd_open`, Linux 5.3.
    pub(crate) const fn pidfd_open(errno: Errno) -> Self {
        Refusal::of(libc::SYS_pidfd_open, errno)
    }

    /// `waitid(P_PIDFD)`, Linux 5.4.
    pub const fn waitid_of_pidfds(errno: Errno) -> Self {
        Refusal::of(libc::SYS_waitid, errno).with(0, libc::P_PIDFD)
    }

    /// `ioctl(PIDFD_GET_INFO)` in its first version, Linux 6.13.
    pub const fn pidfd_get_info(errno: Errno) -> Self {
        const PIDFD_GET_INFO: u32 = 0xC040_FF0B;
        Refusal::of(libc::SYS_ioctl, errno).with(1, PIDFD_GET_INFO)
    }

    /// `epoll_ctl(EPOLL_CTL_ADD)`.
    pub(crate) const fn epoll_add(errno: Errno) -> Self {
        Refusal::of(libc::SYS_epoll_ctl, errno).with(1, libc::EPOLL_CTL_ADD as u32)
    }

    /// A new thread. `clone3` keeps its flags where no filter sees them, so it is not
    /// there at all; glibc takes `clone` then.
    pub(crate) const fn new_thread(errno: Errno) -> [Self; 2] {
        [
            Refusal::of(libc::SYS_clone3, Errno::NOSYS),
            Refusal::of(libc::SYS_clone, errno).with_flag(0, libc::CLONE_THREAD as u32),
        ]
    }

    /// Every call that waits for epoll's events; an architecture may lack some.
    pub(crate) fn epoll_waits(errno: Errno) -> Vec<Self> {
        each(EPOLL_WAITS, errno)
    }

    /// `poll`; an architecture may lack the older call.
    pub fn polls(errno: Errno) -> Vec<Self> {
        each(POLLS, errno)
    }

    /// `select`; an architecture may lack the older call.
    pub(crate) fn selects(errno: Errno) -> Vec<Self> {
        each(SELECTS, errno)
    }

    fn filter(self) -> Filter {
        let errno = self.errno.map_or(0, Errno::raw_os_error);
        self.filter_to(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs())
    }

    fn filter_to(self, answer: u32) -> Filter {
        Filter::new(self.call, self.used, answer)
    }
}

/// Each of the calls, whatever its arguments are.
fn each(calls: &[libc::c_long], errno: Errno) -> Vec<Refusal> {
    let refusals = calls.iter().map(|&call| Refusal::of(call, errno));
    refusals.collect()
}

/// Has the kernel refuse these calls to this whole process and its children to come.
///
/// # Errors
///
/// Returns the reason if the call cannot be refused. The report shows it.
pub(crate) fn refuse_in_process(refusals: &[Refusal]) -> Result<(), String> {
    install(refusals, Threads::All)
}

/// Has the kernel send `SIGSYS` to a thread of this process that makes this call, instead of
/// an error, as a sandbox with a broker does.
///
/// # Errors
///
/// Returns the reason if the calls cannot be refused. The report shows it.
pub(crate) fn trap_in_process(refusal: Refusal) -> Result<(), String> {
    let filter = refusal.filter_to(libc::SECCOMP_RET_TRAP);
    filter.install(Threads::All).map_err(explain)
}

/// Has the kernel refuse these calls to this thread, and to those that it starts from now
/// on.
///
/// # Errors
///
/// Returns the reason if the calls cannot be refused. The report shows it.
pub fn refuse_on_this_thread(refusals: &[Refusal]) -> Result<(), String> {
    install(refusals, Threads::This)
}

/// Returns the result of `body`, run on a thread to which the kernel refuses these calls.
///
/// # Panics
///
/// When filters are unavailable, and when `body` panics.
pub fn with_refused<T: Send>(refusals: &[Refusal], body: impl FnOnce() -> T + Send) -> T {
    let refused = || {
        refuse_on_this_thread(refusals).expect("a filter for one thread");
        body()
    };
    thread::scope(|scope| scope.spawn(refused).join()).unwrap_or_else(|panic| {
        eprintln!("These calls were refused, by their numbers: {refusals:?}");
        std::panic::resume_unwind(panic)
    })
}

/// Checks that filters are available here.
///
/// # Errors
///
/// Returns the reason, which the report shows.
pub(crate) fn can_refuse() -> Result<(), String> {
    permits::may_filter_calls().map_err(explain)
}

/// One filter a refusal: a filter has one answer.
fn install(refusals: &[Refusal], threads: Threads) -> Result<(), String> {
    for refusal in refusals {
        refusal.filter().install(threads).map_err(explain)?;
    }
    Ok(())
}

fn explain(error: impl std::error::Error) -> String {
    format!("no system call can be filtered here, which takes seccomp (Linux 3.17): {error}")
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::fs::fcntl_getfl;
    use rustix::io::fcntl_getfd;
    use rustix::process::{PidfdFlags, getpid, pidfd_open};

    use super::*;
    use crate::kit::child::{End, GatedChild, RealChild};
    use crate::kit::skip;
    use crate::kit::sys::birth;
    use crate::machine::numbers::{FCNTLS, LSEEKS, TIMERFD_SETTIMES};

    fn can_be_tested() -> bool {
        skip::can_run(can_refuse())
    }

    // Errors that these calls never give by themselves.
    const STRANGE: Errno = Errno::XFULL;
    const STRANGER: Errno = Errno::NOTUNIQ;

    fn open_pidfd() -> Result<(), Errno> {
        pidfd_open(getpid(), PidfdFlags::empty()).map(drop)
    }

    #[test]
    fn a_refusal_ends_with_its_thread() {
        if can_be_tested() {
            let refusals = [Refusal::pidfd_open(STRANGE)];
            assert_eq!(with_refused(&refusals, open_pidfd), Err(STRANGE));
            assert_ne!(open_pidfd(), Err(STRANGE));
        }
    }

    #[test]
    fn the_newer_of_two_refusals_answers() {
        if can_be_tested() {
            let refusals = [STRANGE, STRANGER].map(Refusal::pidfd_open);
            assert_eq!(with_refused(&refusals, open_pidfd), Err(STRANGER));
        }
    }

    #[test]
    fn a_call_is_refused_by_its_argument() {
        if can_be_tested() {
            let of_one_use = |refusal: Refusal| refusal.with(1, libc::F_GETFD as u32);
            let refusals: Vec<_> = each(FCNTLS, STRANGE).into_iter().map(of_one_use).collect();
            with_refused(&refusals, || {
                assert_eq!(fcntl_getfd(io::stderr()), Err(STRANGE));
                assert_ne!(fcntl_getfl(io::stderr()), Err(STRANGE));
            });
        }
    }

    /// An architecture may have several calls for one function of the C library.
    #[test]
    fn the_lists_of_numbers_have_the_calls_of_this_architecture() {
        use std::io::Seek;

        use rustix::event::{Timespec, epoll, poll};
        use rustix::time::{
            Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create,
            timerfd_settime,
        };

        if !can_be_tested() {
            return;
        }
        let now = Timespec::default();
        let never = Itimerspec {
            it_interval: now,
            it_value: now,
        };
        let instance = epoll::create(epoll::CreateFlags::empty()).unwrap();
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::empty()).unwrap();
        let mut file = std::fs::File::open("/proc/self/stat").unwrap();
        let refused = |calls: &[libc::c_long], call: &mut (dyn FnMut() -> Option<i32> + Send)| {
            assert_eq!(call(), None, "it succeeds by itself");
            let answer = with_refused(&each(calls, STRANGE), call);
            assert_eq!(answer, Some(STRANGE.raw_os_error()), "{calls:?}");
        };
        let error = |errno: Errno| errno.raw_os_error();
        refused(POLLS, &mut || poll(&mut [], Some(&now)).err().map(error));
        refused(EPOLL_WAITS, &mut || {
            let mut events = [const { std::mem::MaybeUninit::uninit() }; 1];
            let found = epoll::wait(&instance, &mut events[..], Some(&now));
            found.err().map(error)
        });
        refused(TIMERFD_SETTIMES, &mut || {
            let flags = TimerfdTimerFlags::empty();
            timerfd_settime(&timer, flags, &never).err().map(error)
        });
        // By the C library.
        refused(LSEEKS, &mut || {
            file.rewind().err().and_then(|error| error.raw_os_error())
        });
    }

    #[test]
    fn an_ignored_call_succeeds_and_does_nothing() {
        if can_be_tested() {
            let refusals: Vec<_> = FCNTLS.iter().map(|&call| Refusal::ignored(call)).collect();
            with_refused(&refusals, || {
                // Without the filter: a file that is no pipe has no such size.
                assert_eq!(rustix::pipe::fcntl_getpipe_size(io::stderr()), Ok(0));
            });
        }
    }

    #[test]
    fn a_call_is_refused_by_its_flag() {
        if can_be_tested() {
            with_refused(&Refusal::new_thread(Errno::AGAIN), || {
                let thread = thread::Builder::new().spawn(|| {});
                assert_eq!(thread.unwrap_err().kind(), io::ErrorKind::WouldBlock);
                let mut child = RealChild::fork(birth::Birth::default());
                child.die(End::Code(0));
                assert!(child.reap().is_some());
            });
        }
    }
}
