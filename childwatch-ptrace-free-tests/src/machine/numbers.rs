//! The numbers of system calls that differ by architecture.
//!
//! | architectures | what they lack or have besides |
//! |---|---|
//! | those that came late to Linux (aarch64, riscv64, loongarch64) | lack `poll`, `select`, `epoll_wait` |
//! | those with 32 bits | have a second call for each that takes or returns a time, with 64 bits of it; the C library may take either |
//! | those with 32 bits | have a second call for each that takes a place in a file |

/// Calls that wait for epoll's events.
pub const EPOLL_WAITS: &[libc::c_long] = &[
    #[cfg(not(any(
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64"
    )))]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
];

/// Calls that `poll` may make.
pub const POLLS: &[libc::c_long] = &[
    #[cfg(not(any(
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64"
    )))]
    libc::SYS_poll,
    libc::SYS_ppoll,
    #[cfg(target_pointer_width = "32")]
    PPOLL_TIME64,
];

/// Calls that `select` may make.
pub const SELECTS: &[libc::c_long] = &[
    #[cfg(any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "s390x"
    ))]
    libc::SYS_select,
    #[cfg(any(target_arch = "x86", target_arch = "arm", target_arch = "powerpc"))]
    libc::SYS__newselect,
    libc::SYS_pselect6,
    #[cfg(target_pointer_width = "32")]
    PSELECT6_TIME64,
];

/// Calls that `mmap` may make.
pub const MMAPS: &[libc::c_long] = &[
    #[cfg(not(target_arch = "arm"))]
    libc::SYS_mmap,
    #[cfg(target_pointer_width = "32")]
    libc::SYS_mmap2,
];

/// Calls that `fcntl` may make.
pub const FCNTLS: &[libc::c_long] = &[
    libc::SYS_fcntl,
    #[cfg(target_pointer_width = "32")]
    libc::SYS_fcntl64,
];

/// Calls that `fstat` may make.
pub const FSTATS: &[libc::c_long] = &[
    #[cfg(not(target_arch = "loongarch64"))]
    libc::SYS_fstat,
    #[cfg(target_pointer_width = "32")]
    libc::SYS_fstat64,
    libc::SYS_statx,
];

/// Calls that `lseek` may make.
pub const LSEEKS: &[libc::c_long] = &[
    libc::SYS_lseek,
    #[cfg(target_pointer_width = "32")]
    libc::SYS__llseek,
];

/// Calls that wait on a futex, or wake its waiters.
pub const FUTEXES: &[libc::c_long] = &[
    libc::SYS_futex,
    #[cfg(target_pointer_width = "32")]
    FUTEX_TIME64,
];

/// Calls that read a clock.
pub const CLOCK_GETTIMES: &[libc::c_long] = &[
    libc::SYS_clock_gettime,
    #[cfg(target_pointer_width = "32")]
    CLOCK_GETTIME64,
];

/// Calls that set a timerfd.
pub const TIMERFD_SETTIMES: &[libc::c_long] = &[
    libc::SYS_timerfd_settime,
    #[cfg(target_pointer_width = "32")]
    TIMERFD_SETTIME64,
];

/// The calls with times of 64 bits have one number on every architecture with 32 bits.
#[cfg(target_pointer_width = "32")]
const CLOCK_GETTIME64: libc::c_long = 403;
#[cfg(target_pointer_width = "32")]
const TIMERFD_SETTIME64: libc::c_long = 411;
#[cfg(target_pointer_width = "32")]
const PSELECT6_TIME64: libc::c_long = 413;
#[cfg(target_pointer_width = "32")]
const PPOLL_TIME64: libc::c_long = 414;
#[cfg(target_pointer_width = "32")]
const FUTEX_TIME64: libc::c_long = 422;
