//! [`exit_status_from_siginfo`]: the exit status in a `siginfo_t`.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Returns the exit status in `si_code` and `si_status`, as `SIGCHLD` and `waitid` carry them.
///
/// Returns `None` if they report no exit: a child stopped, trapped or continued, or a signal
/// sent by hand.
#[must_use]
pub fn exit_status_from_siginfo(si_code: i32, si_status: i32) -> Option<ExitStatus> {
    // The wait status of wait(2): the code in the second byte, or the signal in the
    // first, with its top bit for a core dump.
    let raw = match si_code {
        libc::CLD_EXITED => (si_status & 0xff) << 8,
        libc::CLD_KILLED => si_status & 0x7f,
        libc::CLD_DUMPED => si_status & 0x7f | 0x80,
        _ => return None,
    };
    Some(ExitStatus::from_raw(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_and_stops_are_not() {
        let code = exit_status_from_siginfo(libc::CLD_EXITED, 3).unwrap();
        assert_eq!(code.code(), Some(3));
        let killed = exit_status_from_siginfo(libc::CLD_KILLED, libc::SIGKILL).unwrap();
        assert_eq!(killed.signal(), Some(libc::SIGKILL));
        assert!(!killed.core_dumped());
        let dumped = exit_status_from_siginfo(libc::CLD_DUMPED, libc::SIGSEGV).unwrap();
        assert_eq!(dumped.signal(), Some(libc::SIGSEGV));
        assert!(dumped.core_dumped());
        for code in [
            libc::CLD_STOPPED,
            libc::CLD_TRAPPED,
            libc::CLD_CONTINUED,
            libc::SI_USER,
        ] {
            assert_eq!(exit_status_from_siginfo(code, libc::SIGSTOP), None);
        }
    }
}
