//! A program that a timer interrupts all the time, as a profiler, a scheduler of light threads
//! or an emulator does.
//!
//! Its handler has no `SA_RESTART`. Each call that waits fails with `EINTR` sooner or later,
//! on any thread that lets the signal through.

use std::time::Duration;

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::sys::ticks;

pub(super) const HOST: Host = Host {
    name: "ticks",
    is: "a program that a timer interrupts a thousand times a second",
    needs: &[],
    exceptions: &[],
    live,
};

const PERIOD: Duration = Duration::from_millis(1);

fn live(life: &Life<'_>) {
    let _timer = ticks::Ticks::every(PERIOD);
    life.goes_on(|_| {
        let before = ticks::Ticks::count();
        let mut child = RealNursery.spawn();
        child.die(End::Code(3));
        deadline::until("the timer ticks", || ticks::Ticks::count() > before);
        child.reap()
    });
}
