//! A terminal of a program's own, and its foreground.

#![expect(unsafe_code, reason = "`posix_openpt`, `tcsetpgrp`, `signal`")]

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};

use childwatch_core::Pid;

/// A pseudoterminal that controls the session of this process.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The end at which a user types.
    keyboard: File,
    /// The program's end.
    pub(crate) device: File,
}

impl Terminal {
    /// Begins a session, as a terminal emulator's child does. This process must not lead a
    /// process group.
    pub(crate) fn of_a_new_session() -> Self {
        rustix::process::setsid().expect("no leader of a group");
        let mut name = [0; 64];
        // SAFETY: the calls take plain values and a buffer with its length. The number is that
        // of a file which nobody else has yet.
        let keyboard = unsafe {
            let keyboard = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
            checked(keyboard).expect("a pseudoterminal");
            checked(libc::grantpt(keyboard)).expect("grantpt");
            checked(libc::unlockpt(keyboard)).expect("unlockpt");
            let named = libc::ptsname_r(keyboard, name.as_mut_ptr(), name.len());
            assert_eq!(named, 0, "ptsname_r");
            File::from_raw_fd(keyboard)
        };
        // SAFETY: the call above has written a string that ends within the buffer.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) };
        let name = name.to_str().expect("a path in /dev/pts");
        // The first terminal that the leader of a session opens controls the session.
        let device = OpenOptions::new().read(true).write(true).open(name);
        let device = device.expect("the terminal");
        // SAFETY: takes plain values. A shell moves jobs to the foreground from the background.
        let before = unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
        assert_ne!(before, libc::SIG_ERR);
        Terminal { keyboard, device }
    }

    /// Moves a process group to the foreground.
    pub(crate) fn bring_to_the_foreground(&self, group: Pid) {
        // SAFETY: takes plain values.
        let answer = unsafe { libc::tcsetpgrp(self.device.as_raw_fd(), group.as_raw()) };
        checked(answer).expect("a group of the session");
    }

    /// Types a character.
    pub(crate) fn type_in(&mut self, character: u8) {
        let typed = self.keyboard.write_all(&[character]);
        typed.expect("the terminal is open");
    }
}

fn checked(answer: i32) -> io::Result<i32> {
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}
