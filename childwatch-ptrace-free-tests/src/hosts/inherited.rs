//! What a program that the host executes finds.

use crate::kit::actor::{Actor, Role};

/// The lines of `/proc/self/status` about blocked and ignored signals, as a new program
/// reads them.
pub(super) fn signals_of_a_new_program() -> Vec<String> {
    Actor::start(&mut Role::ListSignals.command()).all_lines()
}

/// The descriptors that a new program finds open, but for its standard input and output, and
/// what they lead to.
pub(super) fn files_of_a_new_program() -> Vec<String> {
    let mut files = Actor::start(&mut Role::ListFds.command()).all_lines();
    // The listing's own, and the actor's pipes.
    files.retain(|file| !file.contains("/proc/"));
    files.retain(|file| !["\"0\"", "\"1\""].iter().any(|own| file.starts_with(own)));
    files.sort_unstable();
    files
}
