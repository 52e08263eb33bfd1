//! Tests that cannot run here.

use std::io::{self, Write};

/// Returns `true` if the answer is `Ok`. Otherwise prints the reason past libtest's capture,
/// which has no other way to say why a test did not run.
pub fn can_run(answer: Result<(), String>) -> bool {
    if let Err(reason) = &answer {
        // Nobody reads it if standard error is closed.
        let _ = io::stderr().write_all(format!("– {reason}\n").as_bytes());
    }
    answer.is_ok()
}
