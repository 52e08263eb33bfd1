//! Faults on purpose: a few of them. `cargo xtask faults` has them all.

use std::io::{self, Write};
use std::path::Path;

use childwatch_proofs::faults::{self, BACKENDS, Outcome, Phase, Trial, When};
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;
use rstest::rstest;

fn outcome(trial: &Trial) -> Outcome {
    let program = Path::new(env!("CARGO_BIN_EXE_childwatch-conformance"));
    trial.run(program, DEADLINE).expect("a trial")
}

/// What came of it; `None` where faults can't be planted, which is said past libtest's
/// capture: it knows no other way to say it of a test that can't run.
fn lived(trial: &Trial) -> Option<String> {
    match outcome(trial) {
        Outcome::Lived(words) => Some(words),
        Outcome::Wrong(reason) => panic!("{trial:?}: {reason}"),
        Outcome::Unsupported(reason) => {
            let _ = io::stderr().write_all(format!("– {reason}\n").as_bytes());
            None
        }
    }
}

/// This test finds calls that the list does not have.
#[rstest]
fn without_a_fault_every_call_is_known(#[values(0, 1, 2, 3, 4, 5)] index: usize) {
    let backend = BACKENDS[index];
    let words = lived(&Trial {
        backend,
        fault: None,
    });
    assert!(words.is_none_or(|words| words == "no effect"));
}

/// Guards against a planted fault that does nothing, and so seems to be survived.
#[rstest]
#[case("pidfd", "pidfd_open", Phase::Making, "no watcher: ")]
#[case(
    "pidfd",
    "epoll_ctl(EPOLL_CTL_ADD)",
    Phase::Registering,
    "not registered: "
)]
#[case("pidfd", "waitid(P_PIDFD)", Phase::Telling, "told without status")]
#[case("sigchld", "rt_sigaction(SIGCHLD)", Phase::Making, "no watcher: ")]
#[case(
    "sigchld",
    "waitid(P_PID) of a newcomer",
    Phase::Registering,
    "not registered: "
)]
#[case("fallback", "clone3", Phase::Making, "no watcher: ")]
fn the_first_call_fails(
    #[case] backend: &str,
    #[case] call: &str,
    #[case] phase: Phase,
    #[case] expected: &str,
) {
    let trials = faults::planned(&BACKENDS);
    let is_meant = |trial: &&Trial| {
        trial.backend.name() == backend
            && trial.fault.is_some_and(|fault| {
                (fault.call.name, fault.phase, fault.when) == (call, phase, When::Nth(1))
            })
    };
    let trial = trials.iter().find(is_meant).expect("a trial of this fault");
    let words = lived(trial);
    assert!(words.is_none_or(|words| words.starts_with(expected)));
}
