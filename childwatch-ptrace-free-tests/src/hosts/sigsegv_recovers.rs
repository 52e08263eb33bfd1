//! A program that goes on after `SIGSEGV`, as garbage collectors and wasm runtimes do.

use std::sync::Arc;

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::sys::heap::GuardedHeap;

pub(super) const HOST: Host = Host {
    name: "sigsegv-recovers",
    is: "a garbage collector: a handler of SIGSEGV, on an alternate stack, repairs pages",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    let heap = Arc::new(GuardedHeap::new());
    life.goes_on(|around| {
        let here = heap.written_by(|| writes(&heap, 3));
        let elsewhere = heap.written_by(|| {
            let heap = Arc::clone(&heap);
            around.on_another_thread(life.stage(), move || writes(&heap, 5))
        });
        (here, elsewhere)
    });
}

/// Writes to every so-many-th page, twice, and returns what can be read then.
fn writes(heap: &GuardedHeap, step: usize) -> Vec<u8> {
    let pages = (0..heap.pages()).step_by(step);
    let twice = pages.clone().chain(pages);
    twice
        .map(|page| heap.write_and_read(page, page as u8))
        .collect()
}
