//! Commands whose output is not shown.

use xshell::Cmd;

/// Returns `true` if the command can be run and succeeds.
pub(crate) fn succeeds(command: Cmd<'_>) -> bool {
    command
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()
        .is_ok()
}
