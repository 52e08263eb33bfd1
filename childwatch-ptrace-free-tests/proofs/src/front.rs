//! What a program of this workspace may be started anew to be.

use childwatch_ptrace_free_tests::{BackendUnderTest, front};

use crate::{faults, program};

/// Becomes the cell, actor, trial or run of a [`Program`](program::Program) that this process
/// was started to be, and never returns then. A runner calls it first in `main`.
pub fn take_part(backends: &[&'static dyn BackendUnderTest]) {
    front::take_part(backends);
    if let Some(program) = program::from_args(backends) {
        program.run_here();
    }
    faults::take_part();
}
