//! For tests: a thread to which the kernel refuses one system call, or for which it does nothing.

#![expect(unsafe_code, reason = "a filter of system calls (seccomp)")]

use std::thread;

/// Runs `body` on a thread whose calls of this number fail with `EPERM`. Returns `None` if the
/// system does not allow filters.
pub(crate) fn on_a_thread_without<T: Send>(
    call: libc::c_long,
    body: impl FnOnce() -> T + Send,
) -> Option<T> {
    on_a_thread_with(call, libc::EPERM, body)
}

/// Runs `body` on a thread whose calls of this number succeed and do nothing. Returns `None` if the
/// system does not allow filters.
pub(crate) fn on_a_thread_in_pretence<T: Send>(
    call: libc::c_long,
    body: impl FnOnce() -> T + Send,
) -> Option<T> {
    on_a_thread_with(call, 0, body)
}

fn on_a_thread_with<T: Send>(
    call: libc::c_long,
    errno: libc::c_int,
    body: impl FnOnce() -> T + Send,
) -> Option<T> {
    thread::scope(|scope| {
        let on_thread = scope.spawn(|| answer(call, errno).then(body));
        on_thread.join().unwrap()
    })
}

/// Sets the filter on this thread, until the thread ends. Returns `true` if that has succeeded.
fn answer(call: libc::c_long, errno: libc::c_int) -> bool {
    let answer = libc::SECCOMP_RET_ERRNO | errno as u32;
    let mut code = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32)
        },
        statement(libc::BPF_RET | libc::BPF_K, answer),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: code.len() as u16,
        filter: code.as_mut_ptr(),
    };
    // SAFETY: both structures live across the calls, and the filter is whole. It concerns
    // this thread alone.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) == 0
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
