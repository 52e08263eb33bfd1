//! The numbers of the standard streams, as daemons close and open them.

#![expect(unsafe_code, reason = "`close` and `dup2` of numbers that are free")]

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;

/// Standard input and output. Standard error stays, for what the suite has to say.
const STREAMS: [i32; 2] = [0, 1];

const NOWHERE: &str = "/dev/null";

/// Closes standard input and output, so that the next files get their numbers.
pub(crate) fn close_streams() {
    for number in STREAMS {
        // SAFETY: takes a plain number. The suite's own files never have it: std opens both
        // at the start, and the host gives them away only while it opens no file itself.
        unsafe { libc::close(number) };
    }
}

/// Returns `true` if no file has the number of standard input or output.
pub(crate) fn are_closed() -> bool {
    // SAFETY: takes plain numbers, and changes nothing.
    let is_open = |number: &i32| unsafe { libc::fcntl(*number, libc::F_GETFD) } != -1;
    !STREAMS.iter().any(is_open)
}

/// Has standard input and output lead nowhere, whatever they are: as `daemon(3)` does.
pub(crate) fn open_streams_as_a_daemon() {
    let nowhere = OpenOptions::new().read(true).write(true).open(NOWHERE);
    let nowhere = nowhere.expect("/dev/null");
    for number in STREAMS
        .into_iter()
        .filter(|one| *one != nowhere.as_raw_fd())
    {
        // SAFETY: takes plain numbers. The program owns these, by a convention that the
        // watcher's files must keep too; that they do is what is tested.
        let answer = unsafe { libc::dup2(nowhere.as_raw_fd(), number) };
        assert_eq!(answer, number, "dup2 to a standard stream");
    }
    if STREAMS.contains(&nowhere.as_raw_fd()) {
        // It is a stream itself from now on.
        std::mem::forget(nowhere);
    }
}

/// Returns, for standard input and output, whether they lead nowhere.
pub(crate) fn streams_lead_nowhere() -> Vec<bool> {
    let leads_nowhere = |number| {
        let target = fs::read_link(format!("/proc/self/fd/{number}"));
        target.is_ok_and(|target| target.as_os_str() == NOWHERE)
    };
    STREAMS.into_iter().map(leads_nowhere).collect()
}
