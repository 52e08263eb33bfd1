//! What a program that the host executes finds.

use crate::actor::{Actor, Role};

/// The lines of `/proc/self/status` about blocked and ignored signals, as a new program
/// reads them.
pub(super) fn signals_of_a_new_program() -> Vec<String> {
    Actor::start(&mut Role::ListSignals.command()).all_lines()
}
