//! What the tests of the ways to wait share: simulated processes, and the smallest executor.

use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use childwatch_core::{SimulatedProcesses, SimulatedWatcher};

/// Long enough for every machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn stage() -> (SimulatedProcesses, SimulatedWatcher) {
    let processes = SimulatedProcesses::new();
    let watcher = SimulatedWatcher::new(&processes).expect("a watcher");
    (processes, watcher)
}

pub(crate) fn code(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code << 8)
}

/// Wakes a thread that is parked.
pub(crate) struct Unpark(Thread);

impl Unpark {
    pub(crate) fn current() -> Self {
        Unpark(thread::current())
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark::current()));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}
