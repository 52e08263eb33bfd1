//! A program that has a handler of `SIGCHLD` which reaps all children, and that calls the C
//! library's `system`.
//!
//! `system` blocks `SIGCHLD` on its thread, so that no handler reaps its child. A shell does
//! the same while it enters a new child in its table of jobs. Both rely on this: the handler
//! runs on no other thread meanwhile.

use super::life::{Children, Life};
use crate::backend::Need;
use crate::host::Host;
use crate::sys;

pub(super) const HOST: Host = Host {
    name: "calls-system",
    is: "a program whose handler of SIGCHLD reaps all children, except while it calls system",
    // A loop that drives is one more thread of the program's, and the handler runs there too.
    needs: &[Need::OwnThread],
    exceptions: &[],
    live,
};

/// Enough for a handler on another thread to come first sometimes.
const CALLS: usize = 60;

fn live(life: &Life<'_>) {
    sys::forward_in_a_loop();
    sys::install_reaping_handler();
    life.goes_on_where(Children::AreReaped, |_| {
        let codes: Vec<_> = (0..CALLS).map(|_| sys::code_of_system()).collect();
        codes
    });
}
