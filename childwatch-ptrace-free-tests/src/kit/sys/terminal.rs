//! A terminal of a program's own, and its foreground.

#![expect(unsafe_code, reason = "`signal`")]

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use childwatch_core::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcsetpgrp;

/// A pseudoterminal that controls the session of this process.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The end at which a user types.
    keyboard: File,
    /// The program's end.
    pub(crate) device: File,
}

impl Terminal {
    /// Returns `Ok` if this machine has pseudoterminals.
    ///
    /// # Errors
    ///
    /// Returns the reason, which the report shows.
    pub(crate) fn can_be_opened() -> Result<(), String> {
        match keyboard() {
            Ok((_, device)) if device.exists() => Ok(()),
            Ok((_, device)) => Err(format!("there is no {}", device.display())),
            Err(error) => Err(format!("no pseudoterminal can be opened: {error}")),
        }
    }

    /// Begins a session, as a terminal emulator's child does. This process must not lead a
    /// process group.
    pub(crate) fn of_a_new_session() -> Self {
        rustix::process::setsid().expect("no leader of a group");
        let (keyboard, device) = keyboard().expect("a pseudoterminal");
        // The first terminal that the leader of a session opens controls the session.
        let device = OpenOptions::new().read(true).write(true).open(device);
        let device = device.expect("the terminal");
        // SAFETY: takes plain values. A shell moves jobs to the foreground from the background.
        let before = unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
        assert_ne!(before, libc::SIG_ERR);
        Terminal { keyboard, device }
    }

    /// Moves a process group to the foreground.
    pub(crate) fn bring_to_the_foreground(&self, group: Pid) {
        let group = rustix::process::Pid::from_raw(group.as_raw()).expect("no pid is zero");
        tcsetpgrp(&self.device, group).expect("a group of the session");
    }

    /// Types a character.
    pub(crate) fn type_in(&mut self, character: u8) {
        let typed = self.keyboard.write_all(&[character]);
        typed.expect("the terminal is open");
    }
}

/// Opens a new pseudoterminal. Returns the user's end, and the path of the program's.
fn keyboard() -> io::Result<(File, PathBuf)> {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&keyboard)?;
    unlockpt(&keyboard)?;
    let device = ptsname(&keyboard, Vec::new())?.into_bytes();
    let device = OsString::from_vec(device);
    Ok((File::from(keyboard), PathBuf::from(device)))
}
