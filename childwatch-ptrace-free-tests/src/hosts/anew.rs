//! A host that begins as another program's exec: what it finds then is inherited.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{actor, alone};

/// Tells the second image what it is.
const MARK: &str = "CHILDWATCH_HOST_BEGUN_ANEW";

/// Calls `inherit`, and executes this program once more, as the same cell. Returns in the
/// new image, which has inherited what `inherit` did.
///
/// # Panics
///
/// If the program can't be executed.
pub(super) fn inheriting(inherit: impl FnOnce()) {
    through(Command::new(actor::this_program()), inherit);
}

/// The same through another program, which is given this one's file and arguments: an
/// emulator, or a debugger.
#[allow(dead_code, reason = "for hosts under an emulator or a debugger")]
pub(super) fn under(interpreter: &str, options: &[&str]) {
    let mut command = Command::new(interpreter);
    command.args(options).arg(actor::this_program());
    through(command, || {});
}

/// Executes `command` in this process's place, with this process's arguments.
pub(super) fn through(mut command: Command, inherit: impl FnOnce()) {
    if env::var_os(MARK).is_some() {
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
