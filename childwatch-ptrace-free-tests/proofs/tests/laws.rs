//! The laws of sources, as the suite tests them, for each source of this workspace.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use childwatch_core::source::{PollableFallbackSource, PollableSimulatedSource};
use childwatch_core::{SimulatedProcesses, WatchError};
use childwatch_pidfd::{PidfdSource, PidfdWaiter};
use childwatch_proofs::backends::{EverySecond, Sigchld};
use childwatch_ptrace_free_tests::kit::child::SimulatedNursery;
use childwatch_ptrace_free_tests::{BackendUnderTest, SourceUnderTest, laws_main};
use childwatch_sigchld::SigchldSource;

laws_main!(
    SourceUnderTest::pollable("pidfd", pidfd),
    by_start_times(SourceUnderTest::new("sigchld", || {
        childwatch_sigchld::probe().check()?;
        SigchldSource::new()
    })),
    by_start_times(SourceUnderTest::new("sigchld-no-heartbeat", || {
        childwatch_sigchld::probe().check()?;
        SigchldSource::without_heartbeat_for_tests()
    })),
    by_start_times(SourceUnderTest::pollable("sigchld-pollable", || {
        childwatch_sigchld::probe().check()?;
        SigchldSource::pollable()
    })),
    by_start_times(SourceUnderTest::pollable(
        "sigchld-pollable-no-heartbeat",
        || {
            childwatch_sigchld::probe().check()?;
            SigchldSource::pollable_without_heartbeat_for_tests()
        }
    )),
    // Every second process spills over.
    by_start_times(SourceUnderTest::pollable("fallback-pollable", || {
        let (primary, waiter) = pidfd()?;
        childwatch_sigchld::probe().check()?;
        let primary = (EverySecond::new(primary), waiter);
        PollableFallbackSource::new(primary, SigchldSource::pollable()?)
    })),
    SourceUnderTest::pollable("simulated-pollable", || {
        Ok((PollableSimulatedSource::new(simulated())?, ()))
    })
    .with_nursery(|| Box::new(SimulatedNursery(simulated().clone()))),
);

fn pidfd() -> Result<(PidfdSource, PidfdWaiter), WatchError> {
    childwatch_pidfd::probe().check()?;
    PidfdSource::new()
}

fn by_start_times(source: SourceUnderTest) -> SourceUnderTest {
    source.start_times_in(Sigchld.unit_of_start_times())
}

/// Each law is a process of its own, and has a table of its own.
fn simulated() -> &'static SimulatedProcesses {
    static PROCESSES: OnceLock<SimulatedProcesses> = OnceLock::new();
    PROCESSES.get_or_init(SimulatedProcesses::new)
}
