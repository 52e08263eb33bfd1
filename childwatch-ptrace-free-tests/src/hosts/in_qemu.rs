//! A program that QEMU runs in user mode: its calls are translated, and some are missing.

use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::sys::{forwarding, own_handler, signals};
use crate::machine::anew;
use crate::machine::interpreter::Interpreter;

pub(super) const HOST: Host = Host {
    name: "qemu-user",
    is: "a program that qemu-user runs, which has a handler of SIGCHLD",
    needs: &[Need::Machine(Facility::RunsIn(Interpreter::Qemu))],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    anew::under(Interpreter::Qemu);
    prepare();
    life.goes_on(|_| work());
}

/// Installs a handler of `SIGCHLD`, which counts.
pub(super) fn prepare() {
    forwarding::forward_in_a_loop();
    own_handler::install_counting_handler();
}

/// Has threads that wait for children each. Returns what they have seen, and what signals
/// are blocked.
pub(super) fn work() -> (Vec<Vec<Seen>>, Vec<i32>) {
    let threads = (0..3).map(|thread| thread::spawn(move || statuses(thread * 10)));
    let threads: Vec<_> = threads.collect();
    let seen = threads.into_iter().map(|thread| thread.join());
    let seen = seen.map(|seen| seen.expect("a thread")).collect();
    (seen, signals::blocked_signals())
}

/// A handler that is called runs soon, even there.
const A_MOMENT: Duration = Duration::from_secs(5);

/// The status that a child leaves, and whether the handler runs for it.
type Seen = (Option<ExitStatus>, bool);

fn statuses(first: u8) -> Vec<Seen> {
    let ends = [End::Code(first), End::Code(first + 1), End::Signal(9)];
    let of_each = ends.map(|end| {
        let before = own_handler::child_signals();
        let mut child = RealNursery.spawn();
        child.die(end);
        let is_handled =
            deadline::holds_within(A_MOMENT, || own_handler::child_signals() != before);
        (child.reap(), is_handled)
    });
    of_each.to_vec()
}
