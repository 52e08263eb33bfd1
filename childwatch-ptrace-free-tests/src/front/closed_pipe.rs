//! If the reader of a program's standard output has closed the pipe, the program ends quietly, as
//! `PROGRAM | head -1` expects.
//!
//! Rust programs ignore `SIGPIPE`, so a write fails with `EPIPE`, and `println!` panics. The
//! disposition of `SIGPIPE` stays as it is. A program that the signal kills would leave undone what it
//! does at its end.

use std::any::Any;
use std::error::Error;
use std::io;
use std::panic;
use std::process;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The exit code of such a program: that of a shell's command that `SIGPIPE` has killed. It is
/// not 0, because the program has not done all of its work.
pub const CODE: u8 = 141;

/// Makes a panic of `println!` end the program quietly with [`CODE`], if the
/// standard output is a closed pipe. Other panics are shown as before. A program calls it first in
/// `main`.
pub fn end_quietly() {
    let show = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        if is_of_a_pipe(panicked.payload()) && is_closed() {
            process::exit(CODE.into());
        }
        show(panicked);
    }));
}

/// Returns `true` if a write has failed because the standard output is a closed pipe.
#[must_use]
pub fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return is_closed();
        }
        next = error.source();
    }
    false
}

/// Returns `true` if the panic is about a pipe. `println!` and `unwrap` put the error into
/// their messages.
fn is_of_a_pipe(payload: &(dyn Any + Send)) -> bool {
    let text = match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => return false,
    };
    text.contains(&io::Error::from(rustix::io::Errno::PIPE).to_string())
        || text.contains("BrokenPipe")
}

/// Returns `true` if the standard output is a pipe or socket whose other end is closed.
fn is_closed() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec::default();
    let closed = PollFlags::ERR | PollFlags::HUP;
    poll(&mut asked, Some(&at_once)).is_ok() && asked[0].revents().intersects(closed)
}
