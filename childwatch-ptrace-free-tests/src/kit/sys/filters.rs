//! A filter of system calls, as the kernel runs it (seccomp).
//!
//! A filter looks at the call's number and at one argument. It does not look at the architecture,
//! because a program of the suite makes calls of its own architecture only. So filters are
//! available on each architecture that has seccomp.

#![expect(unsafe_code, reason = "`seccomp`, and `prctl` with plain values")]

use std::io;

/// A program for the kernel, which decides what becomes of each call.
#[derive(Clone, Debug)]
pub(crate) struct Filter(Vec<libc::sock_filter>);

/// Which values of a call's argument a filter is for. The kernel takes those named here as 32
/// bits, so the upper half of the register says nothing. Arguments are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matching {
    Any,
    Equal { argument: u8, value: u32 },
    WithFlag { argument: u8, flag: u32 },
}

/// Which threads a filter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The calling thread, and those that it starts from now on.
    This,
    /// All of the process, and its children to come.
    All,
}

impl Filter {
    /// Gives `answer`, a value of seccomp's, to these calls, and lets all others pass.
    pub(crate) fn new(call: libc::c_long, matching: Matching, answer: u32) -> Self {
        // Each test jumps over the lines that it makes pointless.
        let mut lines = vec![load(NUMBER)];
        match matching {
            Matching::Any => lines.push(unless(libc::BPF_JEQ, call as u32, 1)),
            Matching::Equal { argument, value } => {
                lines.push(unless(libc::BPF_JEQ, call as u32, 3));
                lines.push(load(low_half_of(argument)));
                lines.push(unless(libc::BPF_JEQ, value, 1));
            }
            Matching::WithFlag { argument, flag } => {
                lines.push(unless(libc::BPF_JEQ, call as u32, 3));
                lines.push(load(low_half_of(argument)));
                lines.push(unless(libc::BPF_JSET, flag, 1));
            }
        }
        lines.push(line(libc::BPF_RET | libc::BPF_K, answer));
        lines.push(line(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
        Filter(lines)
    }

    /// Installs the filter. `no_new_privs` is set first, as the kernel wants it. There is no way
    /// back.
    pub(crate) fn install(&self, threads: Threads) -> io::Result<()> {
        // SAFETY: takes plain values.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
        let flags = match threads {
            Threads::This => 0,
            Threads::All => libc::SECCOMP_FILTER_FLAG_TSYNC,
        };
        let program = libc::sock_fprog {
            len: self.0.len() as u16,
            // The kernel only reads it.
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the program, and the lines that it names, live across the call.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        match answer {
            0 => Ok(()),
            -1 => Err(io::Error::last_os_error()),
            thread => Err(io::Error::other(format!(
                "thread {thread} has a filter of its own"
            ))),
        }
    }
}

/// Where `struct seccomp_data` has the call's number.
const NUMBER: u32 = 0;

/// Where it has the low half of an argument: the arguments have 64 bits each on every architecture.
fn low_half_of(argument: u8) -> u32 {
    const ARGUMENTS: u32 = 16;
    const LOW_HALF: u32 = if cfg!(target_endian = "big") { 4 } else { 0 };
    ARGUMENTS + 8 * u32::from(argument) + LOW_HALF
}

const _: () = assert!(std::mem::offset_of!(libc::seccomp_data, args) == 16);

fn load(offset: u32) -> libc::sock_filter {
    line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

/// Skips some lines unless the test holds.
fn unless(test: u32, value: u32, skipped: u8) -> libc::sock_filter {
    libc::sock_filter {
        jf: skipped,
        ..line(libc::BPF_JMP | test | libc::BPF_K, value)
    }
}

fn line(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}
