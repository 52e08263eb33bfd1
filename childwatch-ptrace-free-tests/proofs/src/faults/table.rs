//! [`CALLS`]: every system call that a watcher is made of, and the errors it may give.
//!
//! Left out are the answers that are no errors: that a child is none any more (`ECHILD` of
//! `waitid` by a number), that a process is gone (`ESRCH` of `pidfd_send_signal`). A kernel
//! that tells them of a live child lies, and would be believed.

use rustix::io::Errno;

use super::call::MadeBy::{Caller, Watcher};
use super::call::{Call, Hides};
use super::limit::Limit;
use super::when::Phase::{Acting, Dropping, Late, Making, Registering, Telling, Unregistering};
use childwatch_ptrace_free_tests::machine::numbers::{
    EPOLL_WAITS, FCNTLS, FUTEXES, MMAPS, POLLS, SELECTS, TIMERFD_SETTIMES,
};
use childwatch_ptrace_free_tests::machine::refusal::Refusal;

pub(super) const GET_INFO: &str = "ioctl(PIDFD_GET_INFO)";
pub(super) const EPOLL_WAIT: &str = "epoll_wait";
pub(super) const WAKE: &str = "epoll_ctl(EPOLL_CTL_MOD)";
pub(super) const DRIVERS_WAKE: &str = "epoll_ctl(EPOLL_CTL_MOD) by a caller";
pub(super) const BELL: &str = "futex (FUTEX_WAIT)";
pub(super) const POLL: &str = "poll of the descriptor";
pub(super) const SELECT: &str = "select, without poll";

/// What sandboxes and stubs answer instead of the kernel.
const REFUSED: [Errno; 2] = [Errno::PERM, Errno::NOSYS];

const OPENING: &[Errno] = &[
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
    REFUSED[0],
    REFUSED[1],
];
const ASKING: &[Errno] = &[Errno::INVAL, REFUSED[0], Errno::ACCESS, REFUSED[1]];
const THREAD: &[Errno] = &[
    Errno::AGAIN,
    Errno::NOMEM,
    Errno::INVAL,
    REFUSED[0],
    REFUSED[1],
];
const MEMORY: &[Errno] = &[Errno::NOMEM, Errno::AGAIN, REFUSED[0]];

const SIGCHLD: u64 = libc::SIGCHLD as u64;
const WIPED_PAGE_BYTES: u64 = 8;

fn has_flags(value: u64, flags: i32) -> bool {
    value as i32 & flags == flags
}

/// The table's rows, in the order of a watcher's life.
pub static CALLS: &[Call] = &[
    Call::new(
        "pidfd_open",
        &[libc::SYS_pidfd_open],
        &[
            Errno::SRCH,
            Errno::INVAL,
            Errno::NOENT,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::NODEV,
            Errno::PERM,
            Errno::ACCESS,
            Errno::NOSYS,
        ],
    )
    .by(Caller)
    .with_pidfd(&[(Making, 1), (Registering, 3)])
    .with_sigchld(&[(Acting, 1)])
    .with_fallback(&[(Registering, 3)]),
    Call::new(
        "waitid(P_PIDFD)",
        &[libc::SYS_waitid],
        &[
            Errno::INVAL,
            Errno::PERM,
            Errno::ACCESS,
            Errno::NOSYS,
            // The watcher asks once more, after two seconds.
            Errno::CHILD,
        ],
    )
    .used(|arguments| arguments[0] == u64::from(libc::P_PIDFD))
    .with_pidfd(&[(Making, 1), (Registering, 1), (Telling, 3), (Acting, 1)])
    .with_fallback(&[(Registering, 1), (Telling, 1)])
    .when_driven(&[("pidfd-driven", &[(Telling, 3)])]),
    Call::new(
        GET_INFO,
        &[libc::SYS_ioctl],
        &[
            Errno::NOTTY,
            Errno::INVAL,
            Errno::SRCH,
            Errno::PERM,
            Errno::NOSYS,
        ],
    )
    .used(|arguments| arguments[1] as u32 == 0xC040_FF0B)
    .with_pidfd(&[(Making, 1), (Telling, 1), (Acting, 1)])
    .with_fallback(&[(Telling, 1)]),
    Call::new("epoll_create1", &[libc::SYS_epoll_create1], OPENING)
        .by(Caller)
        .with_pidfd(&[(Making, 1)])
        .with_fallback(&[(Making, 1)])
        .when_driven(&[
            ("pidfd-driven", &[(Making, 1)]),
            ("sigchld-driven", &[(Making, 1)]),
            ("fallback-driven", &[(Making, 3)]),
        ]),
    Call::new(
        "fcntl(F_DUPFD_CLOEXEC)",
        FCNTLS,
        &[Errno::MFILE, Errno::INVAL, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[1] as i32 == libc::F_DUPFD_CLOEXEC)
    .by(Caller)
    .with_pidfd(&[(Making, 1), (Acting, 2)])
    .with_fallback(&[(Making, 1)]),
    Call::new("fcntl(F_GETFL)", FCNTLS, &REFUSED)
        .used(|arguments| arguments[1] as i32 == libc::F_GETFL)
        .by(Caller)
        .with_pidfd(&[(Acting, 1)]),
    Call::new(
        "eventfd2",
        &[libc::SYS_eventfd2],
        &[
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::NODEV,
            Errno::INVAL,
            Errno::PERM,
            Errno::NOSYS,
        ],
    )
    .by(Caller)
    .with_pidfd(&[(Making, 1)])
    .with_fallback(&[(Making, 1)])
    .when_driven(&[
        ("pidfd-driven", &[(Making, 1)]),
        ("sigchld-driven", &[(Making, 1)]),
        ("fallback-driven", &[(Making, 2)]),
    ]),
    Call::new(
        "timerfd_create",
        &[libc::SYS_timerfd_create],
        &[
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::NODEV,
            Errno::INVAL,
            Errno::PERM,
            Errno::NOSYS,
        ],
    )
    .by(Caller)
    .when_driven(&[
        ("sigchld-driven", &[(Making, 1)]),
        ("fallback-driven", &[(Making, 1)]),
    ]),
    Call::new(
        "epoll_ctl(EPOLL_CTL_ADD)",
        &[libc::SYS_epoll_ctl],
        &[
            Errno::NOMEM,
            Errno::NOSPC,
            Errno::EXIST,
            Errno::PERM,
            Errno::NOSYS,
        ],
    )
    .used(|arguments| arguments[1] as i32 == libc::EPOLL_CTL_ADD)
    .by(Caller)
    .with_pidfd(&[(Making, 1), (Registering, 3), (Acting, 1)])
    .with_fallback(&[(Making, 1), (Registering, 3)])
    .when_driven(&[
        ("pidfd-driven", &[(Making, 1), (Registering, 1)]),
        ("sigchld-driven", &[(Making, 2)]),
        ("fallback-driven", &[(Making, 5)]),
    ]),
    Call::new(
        "rt_sigaction(SIGCHLD)",
        &[libc::SYS_rt_sigaction],
        &[Errno::INVAL, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[0] == SIGCHLD)
    .by(Caller)
    .with_sigchld(&[(Making, 1), (Registering, 5)])
    .with_fallback(&[(Making, 1), (Registering, 5)]),
    Call::new("mmap of the wiped page", MMAPS, MEMORY)
        .used(|arguments| arguments[1] == WIPED_PAGE_BYTES)
        .by(Caller)
        .with_pidfd(&[(Making, 1)])
        .with_sigchld(&[(Making, 1)])
        .with_fallback(&[(Making, 1)]),
    Call::new(
        "madvise(MADV_WIPEONFORK)",
        &[libc::SYS_madvise],
        &[
            Errno::INVAL,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::PERM,
            Errno::NOSYS,
        ],
    )
    .used(|arguments| arguments[2] as i32 == libc::MADV_WIPEONFORK)
    .by(Caller)
    .with_pidfd(&[(Making, 1)])
    .with_sigchld(&[(Making, 1)])
    .with_fallback(&[(Making, 1)]),
    // EINVAL is the answer that is hoped for.
    Call::new(
        "madvise of what is no advice",
        &[libc::SYS_madvise],
        &[Errno::NOMEM, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[2] as i32 == -1)
    .by(Caller)
    .with_pidfd(&[(Making, 1)])
    .with_sigchld(&[(Making, 1)])
    .with_fallback(&[(Making, 1)]),
    Call::new(
        "munmap of a page that isn't wiped",
        &[libc::SYS_munmap],
        &[Errno::NOMEM, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[1] == WIPED_PAGE_BYTES)
    .by(Caller)
    .besides(|| {
        let advice = libc::MADV_WIPEONFORK as u32;
        vec![Refusal::of(libc::SYS_madvise, Errno::INVAL).with(2, advice)]
    })
    .with_pidfd(&[(Making, 1)])
    .with_sigchld(&[(Making, 1)])
    .with_fallback(&[(Making, 1)]),
    Call::new(
        "rt_sigprocmask, to block signals",
        &[libc::SYS_rt_sigprocmask],
        &REFUSED,
    )
    .used(|arguments| arguments[0] as i32 == libc::SIG_SETMASK)
    .by(Caller)
    .with_pidfd(&[(Making, 1)])
    .with_sigchld(&[(Making, 1)])
    .with_fallback(&[(Making, 1)]),
    Call::new(
        "rt_sigprocmask, for callbacks",
        &[libc::SYS_rt_sigprocmask],
        &REFUSED,
    )
    .used(|arguments| arguments[0] as i32 == libc::SIG_SETMASK)
    .by(Watcher)
    .with_pidfd(&[(Telling, 1), (Late, 1)])
    .with_sigchld(&[(Telling, 1), (Late, 1)])
    .with_fallback(&[(Telling, 1), (Late, 1)]),
    Call::new("rt_sigpending", &[libc::SYS_rt_sigpending], &REFUSED)
        .by(Watcher)
        .if_the_maker_lets_sigchld_through()
        .with_pidfd(&[(Telling, 1), (Late, 1)])
        .with_sigchld(&[(Telling, 1), (Late, 1)])
        .with_fallback(&[(Telling, 1), (Late, 1)]),
    Call::new("mmap of a thread's stack", MMAPS, MEMORY)
        .used(|arguments| {
            has_flags(arguments[3], libc::MAP_STACK) && arguments[2] == libc::PROT_NONE as u64
        })
        .by(Caller)
        .with_pidfd(&[(Making, 1)])
        .with_sigchld(&[(Making, 1)])
        .with_fallback(&[(Making, 2)]),
    Call::new("clone3", &[libc::SYS_clone3], THREAD)
        .by(Caller)
        .with_pidfd(&[(Making, 1)])
        .with_sigchld(&[(Making, 1)])
        .with_fallback(&[(Making, 2)]),
    Call::new("clone, without clone3", &[libc::SYS_clone], THREAD)
        .by(Caller)
        .besides(|| vec![Refusal::of(libc::SYS_clone3, Errno::NOSYS)])
        .with_pidfd(&[(Making, 1)])
        .with_sigchld(&[(Making, 1)])
        .with_fallback(&[(Making, 2)]),
    Call::new("prctl(PR_SET_NAME)", &[libc::SYS_prctl], &REFUSED)
        .used(|arguments| arguments[0] as i32 == libc::PR_SET_NAME)
        .by(Watcher)
        .with_pidfd(&[(Making, 1)])
        .with_sigchld(&[(Making, 1)])
        .with_fallback(&[(Making, 2)]),
    Call::new(
        "rt_sigprocmask, to hear SIGCHLD",
        &[libc::SYS_rt_sigprocmask],
        &REFUSED,
    )
    .used(|arguments| arguments[0] as i32 == libc::SIG_UNBLOCK)
    .by(Watcher)
    .with_sigchld(&[(Registering, 1)])
    .with_fallback(&[(Registering, 1)]),
    Call::new(
        "pidfd_send_signal",
        &[libc::SYS_pidfd_send_signal],
        &[Errno::INVAL, Errno::PERM, Errno::NOSYS],
    )
    .by(Caller)
    .with_pidfd(&[(Registering, 1), (Acting, 2)])
    .with_sigchld(&[(Acting, 1)])
    .with_fallback(&[(Registering, 1)]),
    Call::new(
        "openat of a file in /proc",
        &[libc::SYS_openat],
        &[
            Errno::NOENT,
            Errno::ACCESS,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::INTR,
            Errno::PERM,
            Errno::NOSYS,
        ],
    )
    // Where that is refused, the pidfd's file is asked.
    .besides(|| vec![Refusal::of(libc::SYS_pidfd_send_signal, Errno::PERM)])
    .with_pidfd(&[(Registering, 1)])
    .with_sigchld(&[(Registering, 2)]),
    Call::new("waitid(P_PID) of a newcomer", &[libc::SYS_waitid], ASKING)
        .used(|arguments| arguments[0] == u64::from(libc::P_PID))
        .by(Caller)
        .with_sigchld(&[(Registering, 3), (Acting, 1)])
        .with_fallback(&[(Registering, 2)]),
    // The thread looks again when it likes, at a heartbeat for one.
    Call::new(
        "waitid(P_PID) by the watcher's thread",
        &[libc::SYS_waitid],
        ASKING,
    )
    .used(|arguments| arguments[0] == u64::from(libc::P_PID))
    .by(Watcher)
    .hiding(|_| Hides::Some)
    .with_sigchld(&[(Telling, 3)])
    .with_fallback(&[(Telling, 2)])
    .when_driven(&[
        ("sigchld-driven", &[(Telling, 3)]),
        ("fallback-driven", &[(Telling, 2)]),
    ]),
    Call::new(
        "waitid(P_ALL)",
        &[libc::SYS_waitid],
        &[
            Errno::CHILD,
            Errno::INVAL,
            Errno::PERM,
            Errno::ACCESS,
            Errno::NOSYS,
        ],
    )
    .used(|arguments| arguments[0] == u64::from(libc::P_ALL))
    .with_sigchld(&[(Making, 1)])
    .with_fallback(&[(Making, 1)]),
    // EPERM is a child's answer too.
    Call::new(
        "setpgid, to tell a child from a tracee",
        &[libc::SYS_setpgid],
        &[Errno::PERM, Errno::NOSYS],
    )
    .by(Caller)
    .with_sigchld(&[(Registering, 3)])
    .with_fallback(&[(Registering, 2)]),
    Call::new(
        "kill of a child, without a pidfd",
        &[libc::SYS_kill],
        &[Errno::INVAL, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[1] as i32 == libc::SIGTERM)
    .by(Caller)
    .besides(|| vec![Refusal::of(libc::SYS_pidfd_open, Errno::NOSYS)])
    .with_sigchld(&[(Acting, 1)]),
    Call::new(
        "kill of a number that is no child's",
        &[libc::SYS_kill],
        &[Errno::INVAL, Errno::PERM, Errno::NOSYS],
    )
    .by(Caller)
    .with_sigchld(&[(Registering, 1)]),
    Call::new(
        EPOLL_WAIT,
        EPOLL_WAITS,
        &[Errno::INTR, Errno::PERM, Errno::NOSYS],
    )
    .by(Watcher)
    .hiding(|backend| match backend {
        // It looks at its children all the same.
        "sigchld-driven" => Hides::Nothing,
        "fallback-driven" => Hides::Some,
        _ => Hides::All,
    })
    .with_pidfd(&[(Making, 1), (Telling, 3)])
    .with_fallback(&[(Making, 1), (Telling, 2)])
    .when_driven(&[
        ("pidfd-driven", &[(Telling, 3)]),
        ("sigchld-driven", &[(Telling, 3)]),
        ("fallback-driven", &[(Telling, 3)]),
    ]),
    Call::new(
        POLL,
        POLLS,
        &[
            Errno::INTR,
            Errno::NOMEM,
            Errno::INVAL,
            Errno::PERM,
            Errno::NOSYS,
        ],
    )
    .by(Watcher)
    .when_driven(&[
        ("pidfd-driven", &[(Making, 1), (Telling, 3)]),
        ("sigchld-driven", &[(Making, 1), (Telling, 3)]),
        ("fallback-driven", &[(Making, 1), (Telling, 3)]),
    ]),
    Call::new(
        SELECT,
        SELECTS,
        &[Errno::INTR, Errno::NOMEM, Errno::PERM, Errno::NOSYS],
    )
    .by(Watcher)
    .besides(|| Refusal::polls(Errno::PERM))
    .when_driven(&[
        ("pidfd-driven", &[(Making, 1), (Telling, 3)]),
        ("sigchld-driven", &[(Making, 1), (Telling, 3)]),
        ("fallback-driven", &[(Making, 1), (Telling, 3)]),
    ]),
    Call::new(
        "timerfd_settime",
        TIMERFD_SETTIMES,
        &[Errno::INVAL, Errno::PERM, Errno::NOSYS],
    )
    .by(Watcher)
    .when_driven(&[
        ("sigchld-driven", &[(Registering, 1), (Telling, 1)]),
        ("fallback-driven", &[(Registering, 1), (Telling, 1)]),
    ]),
    Call::new(
        BELL,
        FUTEXES,
        &[Errno::INTR, Errno::AGAIN, Errno::PERM, Errno::NOSYS],
    )
    .passing(&[Errno::AGAIN])
    .used(|arguments| arguments[1] as i32 == libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG)
    .by(Watcher)
    .with_sigchld(&[(Making, 1), (Telling, 3)])
    .with_fallback(&[(Making, 1), (Telling, 1)]),
    Call::new(
        WAKE,
        &[libc::SYS_epoll_ctl],
        &[Errno::BADF, Errno::NOENT, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[1] as i32 == libc::EPOLL_CTL_MOD)
    .with_pidfd(&[(Late, 3), (Dropping, 1)])
    .with_fallback(&[(Late, 3), (Dropping, 1)]),
    Call::new(
        DRIVERS_WAKE,
        &[libc::SYS_epoll_ctl],
        &[Errno::BADF, Errno::NOENT, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[1] as i32 == libc::EPOLL_CTL_MOD)
    .by(Caller)
    .when_driven(&[
        ("pidfd-driven", &[(Late, 3), (Dropping, 1)]),
        ("sigchld-driven", &[(Late, 3), (Dropping, 1)]),
        ("fallback-driven", &[(Late, 3), (Dropping, 1)]),
    ]),
    // The handler has interrupted the poll, so the driver looks in any case.
    Call::new(
        "epoll_ctl(EPOLL_CTL_MOD) by a handler",
        &[libc::SYS_epoll_ctl],
        &[Errno::BADF, Errno::NOENT, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[1] as i32 == libc::EPOLL_CTL_MOD)
    .by(Watcher)
    .when_driven(&[
        ("sigchld-driven", &[(Telling, 3)]),
        ("fallback-driven", &[(Telling, 2)]),
    ]),
    Call::new(
        "epoll_ctl(EPOLL_CTL_DEL)",
        &[libc::SYS_epoll_ctl],
        &[Errno::NOENT, Errno::NOMEM, Errno::PERM, Errno::NOSYS],
    )
    .used(|arguments| arguments[1] as i32 == libc::EPOLL_CTL_DEL)
    // Not when an exit has been told: its watch ends by `close` alone.
    .with_pidfd(&[(Unregistering, 3)])
    .with_fallback(&[(Unregistering, 1)])
    .when_driven(&[("pidfd-driven", &[(Unregistering, 1)])]),
    Call::new(
        "close",
        &[libc::SYS_close],
        &[Errno::INTR, Errno::IO, Errno::NOSPC, Errno::DQUOT],
    )
    .with_pidfd(&[(Making, 1), (Telling, 3), (Unregistering, 3), (Dropping, 3)])
    .with_fallback(&[(Telling, 1), (Unregistering, 1), (Dropping, 3)])
    .when_driven(&[
        ("pidfd-driven", &[(Telling, 1), (Dropping, 3)]),
        ("sigchld-driven", &[(Dropping, 3)]),
        ("fallback-driven", &[(Dropping, 3)]),
    ]),
    Call::new("RLIMIT_NOFILE, from that file on", &[], &[Errno::MFILE])
        .limited_by(Limit::Files)
        .with_pidfd(&[(Making, 3), (Registering, 3)])
        .with_sigchld(&[(Making, 1), (Registering, 1)])
        .with_fallback(&[(Making, 3), (Registering, 2)])
        .when_driven(&[
            ("pidfd-driven", &[(Making, 3)]),
            ("sigchld-driven", &[(Making, 3)]),
            ("fallback-driven", &[(Making, 7)]),
        ]),
    Call::new("RLIMIT_AS", &[], &[Errno::NOMEM])
        .limited_by(Limit::Memory)
        .with_pidfd(&[(Making, 1)])
        .with_sigchld(&[(Making, 1)])
        .with_fallback(&[(Making, 1)]),
];
