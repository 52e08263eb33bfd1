//! Commands of which only the outcome is wanted.

use xshell::Cmd;

/// Whether the command can be run, and succeeds.
pub(super) fn succeeds(command: Cmd<'_>) -> bool {
    command
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()
        .is_ok()
}
