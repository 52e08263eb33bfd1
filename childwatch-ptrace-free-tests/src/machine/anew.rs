//! A host that begins as another program's exec: the program inherits its surroundings.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::kit::{alone, own_proc};
use crate::machine::interpreter::Interpreter;

/// Tells the second image what it is.
const MARK: &str = "CHILDWATCH_HOST_BEGUN_ANEW";

/// Returns `true` in the second image.
pub(crate) fn is_begun_anew() -> bool {
    env::var_os(MARK).is_some()
}

/// Calls `inherit`, and executes this program once more, as the same cell. Returns in the
/// new image, which has inherited what `inherit` did.
///
/// # Panics
///
/// If the program can't be executed.
pub(crate) fn inheriting(inherit: impl FnOnce()) {
    through(Command::new(own_proc::this_program()), inherit);
}

/// The same through another program, which is given this one's file and arguments: an
/// emulator, or a debugger.
///
/// # Panics
///
/// If the program is not installed or can't be executed.
pub(crate) fn under(interpreter: Interpreter) {
    let file = interpreter.file().expect("the needs have been looked at");
    let mut command = Command::new(file);
    command
        // Some callbacks are meant to panic, and a backtrace takes seconds there.
        .env("RUST_BACKTRACE", "0")
        .args(interpreter.options())
        .arg(own_proc::this_program());
    through(command, || {});
}

/// Executes `command` in this process's place, with this process's arguments.
pub(crate) fn through(mut command: Command, inherit: impl FnOnce()) {
    if is_begun_anew() {
        // It has survived the exec, unless the credentials have changed.
        alone::end_with_the_runner();
        return;
    }
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    command.args(arguments).env(MARK, "1");
    inherit();
    let error = command.exec();
    panic!("{:?} can't be executed: {error}", command.get_program());
}
