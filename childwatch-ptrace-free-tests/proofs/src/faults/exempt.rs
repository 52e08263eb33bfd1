//! [`EXEMPT`]: the system calls of a watcher's threads that are not refused, and why not.

use childwatch_ptrace_free_tests::machine::numbers::{
    CLOCK_GETTIMES, FCNTLS, FSTATS, FUTEXES, LSEEKS, MMAPS,
};

/// System calls that are not made to fail.
#[derive(Debug)]
pub struct Exempt {
    /// Their names.
    pub names: &'static str,
    /// Why not.
    pub reason: &'static str,
    numbers: &'static [&'static [libc::c_long]],
}

/// What watchers and libc do besides the calls of the table.
pub static EXEMPT: &[Exempt] = &[
    Exempt {
        names: "futex (FUTEX_WAIT_BITSET, FUTEX_WAKE, the join of a thread)",
        reason: "std's locks and glibc's join: Linux has no error for them but a wait's end, \
                 and glibc ends the process at any other",
        numbers: &[FUTEXES],
    },
    Exempt {
        names: "mmap, munmap, mprotect, madvise, mremap, brk of the allocator",
        reason: "out of memory, Rust ends the process, whatever a library does",
        numbers: &[
            MMAPS,
            &[
                libc::SYS_munmap,
                libc::SYS_mprotect,
                libc::SYS_madvise,
                libc::SYS_mremap,
                libc::SYS_brk,
            ],
        ],
    },
    Exempt {
        names: "sigaltstack, and mmap, mprotect, munmap of the alternate stack; sched_getaffinity, \
                rseq, set_robust_list, set_tid_address, gettid of a new thread",
        reason: "std and glibc as a thread begins and ends: without an alternate stack std ends \
                 the process, the others' errors it does not look at",
        numbers: &[&[
            libc::SYS_sigaltstack,
            libc::SYS_sched_getaffinity,
            libc::SYS_rseq,
            libc::SYS_set_robust_list,
            libc::SYS_set_tid_address,
            libc::SYS_gettid,
        ]],
    },
    Exempt {
        names: "rt_sigprocmask of glibc, rt_sigaction of its own signals",
        reason: "glibc blocks signals as it makes a thread, and does not look at the answer",
        numbers: &[&[libc::SYS_rt_sigprocmask, libc::SYS_rt_sigaction]],
    },
    Exempt {
        names: "getrandom",
        reason: "std calls it for its hash maps. If it is refused, std opens /dev/urandom, and keeps it open",
        numbers: &[&[libc::SYS_getrandom]],
    },
    Exempt {
        names: "exit, rt_sigreturn, restart_syscall, getpid, sched_yield",
        reason: "Linux has no error for them",
        numbers: &[&[
            libc::SYS_exit,
            libc::SYS_rt_sigreturn,
            libc::SYS_restart_syscall,
            libc::SYS_getpid,
            libc::SYS_sched_yield,
        ]],
    },
    Exempt {
        names: "clock_gettime",
        reason: "refused by a sandbox, std's clock goes on: a unit test of `clock` refuses it",
        numbers: &[CLOCK_GETTIMES],
    },
    Exempt {
        names: "fcntl(F_GETFD)",
        reason: "std's check of its own before a close, in debug builds",
        numbers: &[FCNTLS],
    },
    Exempt {
        names: "fstat, statx, lseek, read of a file in /proc",
        reason: "what is asked of a file that has just been opened: a file that can't be opened \
                 is the same to the watcher, and is in the table",
        numbers: &[FSTATS, LSEEKS, &[libc::SYS_read]],
    },
];

pub(super) fn is_exempt(call: libc::c_long) -> bool {
    EXEMPT
        .iter()
        .any(|exempt| exempt.numbers.concat().contains(&call))
}
