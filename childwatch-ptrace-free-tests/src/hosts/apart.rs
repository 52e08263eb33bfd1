//! A host that lives in a process below this one: in namespaces of its own, or as a daemon.

#![expect(unsafe_code, reason = "copies of a process that has one thread")]

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitStatus;

use childwatch_core::Pid;

use crate::kit::deadline;
use crate::kit::sys::{birth, death};
use crate::machine::namespace;

/// Runs `body` in a copy of this process, and waits for its end.
///
/// The caller's process has had no thread but this one.
///
/// # Panics
///
/// If the copy panics or does not end.
#[track_caller]
pub(super) fn in_a_copy(body: impl FnOnce()) {
    ends_well(begin(body));
}

/// Runs `body` in the first process of a new pid namespace, and waits for its end. The
/// `/proc` that it sees is still this process's. Its mounts are its own.
#[track_caller]
pub(super) fn in_a_new_pid_namespace(body: impl FnOnce()) {
    in_a_copy(|| {
        namespace::leave_for_a_new_one().expect("the needs have been looked at");
        in_a_copy(body);
    });
}

/// Begins a copy that runs `body`.
pub(super) fn begin(body: impl FnOnce()) -> Pid {
    // SAFETY: this process has one thread, as every cell that has made no watcher. So the
    // copy may do what the process may. It ends by `_exit`, and nothing unwinds out of it.
    let copy = unsafe {
        birth::fork_copy(|| {
            let ended = panic::catch_unwind(AssertUnwindSafe(body));
            i32::from(ended.is_err())
        })
    };
    copy.expect("a copy")
}

/// Waits for the end of a copy.
#[track_caller]
pub(super) fn ends_well(copy: Pid) {
    let status = end_of(copy);
    assert!(status.success(), "the copy ended with {status}");
}

/// Waits for the end of a copy. Returns its status.
#[track_caller]
pub(super) fn end_of(copy: Pid) -> ExitStatus {
    let is_over = deadline::holds_within(deadline::patience() * 3, || death::is_waitable(copy));
    if !is_over {
        death::kill(copy);
    }
    let status = death::reap(copy).expect("the copy is a child");
    assert!(is_over, "the copy did not end");
    status
}
