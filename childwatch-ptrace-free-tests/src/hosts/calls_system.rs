//! A program that has a handler of `SIGCHLD` which reaps all children, and that calls the C
//! library's `system`.
//!
//! `system` blocks `SIGCHLD` on its thread, so that no handler reaps its child. A shell does
//! the same while it enters a new child in its table of jobs. Both rely on this: the handler
//! runs on no other thread meanwhile.

use super::children::Children;
use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::sys::{forwarding, own_handler};

pub(super) const HOST: Host = Host {
    name: "calls-system",
    is: "a program whose handler of SIGCHLD reaps all children, except while it calls system",
    // A loop that drives is one more thread of the program's, and the handler runs there too.
    needs: &[Need::Backend(Feature::OwnThread)],
    exceptions: &[],
    live,
};

/// Enough for a handler on another thread to come first sometimes.
const CALLS: usize = 60;

fn live(life: &Life<'_>) {
    forwarding::forward_in_a_loop();
    own_handler::install_reaping_handler();
    life.goes_on_where(Children::AreReaped, |_| {
        let codes: Vec<_> = (0..CALLS).map(|_| own_handler::code_of_system()).collect();
        codes
    });
}
