//! Every case × every backend of this workspace, and every host × every backend.

#![forbid(unsafe_code)]

use std::io::Write;
use std::path::Path;

use childwatch_proofs::backends::{
    DrivenWithoutHeartbeat, FallbackDriven, Forwarded, Pidfd, PidfdDriven, PidfdOrSigchld, Sigchld,
    SigchldDriven, Simulated, SimulatedDriven, WithoutHeartbeat,
};
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;
use childwatch_ptrace_free_tests::{
    BackendUnderTest, Case, Cell, Outcome, with_every_case, with_every_host,
};
use rstest::rstest;

macro_rules! front {
    ($($case:ident)*) => {
        #[rstest]
        fn conformance(
            #[values(&Pidfd, &Sigchld, &WithoutHeartbeat, &Forwarded, &PidfdOrSigchld, &Simulated, &PidfdDriven, &SigchldDriven, &DrivenWithoutHeartbeat, &FallbackDriven, &SimulatedDriven)] backend: &dyn BackendUnderTest,
            #[values($(stringify!($case)),*)] case: &str,
        ) {
            holds(backend, case);
        }
    };
}

with_every_case!(front);

macro_rules! front_of_hosts {
    ($($host:literal)*) => {
        #[rstest]
        fn in_a_host(
            #[values(&Pidfd, &Sigchld, &WithoutHeartbeat, &Forwarded, &PidfdOrSigchld, &Simulated, &PidfdDriven, &SigchldDriven, &DrivenWithoutHeartbeat, &FallbackDriven, &SimulatedDriven)] backend: &dyn BackendUnderTest,
            #[values($($host),*)] host: &str,
        ) {
            holds(backend, host);
        }
    };
}

with_every_host!(front_of_hosts);

/// A skip is declared by the case's needs, and says why.
fn holds(backend: &dyn BackendUnderTest, case: &str) {
    let case = Case::named(case).expect("the list of cases has its names");
    let program = Path::new(env!("CARGO_BIN_EXE_childwatch-conformance"));
    let cell = Cell { backend, case };
    match cell.run(program, DEADLINE).expect("a cell").outcome {
        Outcome::Passed => {}
        Outcome::Unsupported(reason) => {
            assert!(case.is_supported(backend).is_err(), "undeclared: {reason}");
            // Past libtest's capture: it knows no other way to say it of a test that
            // can't run.
            let cell = format!("– {}::{}: {reason}\n", backend.name(), case.name);
            let _ = std::io::stderr().write_all(cell.as_bytes());
        }
        Outcome::Failed(reason) => panic!("{reason}\n\n{}", cell.notes(program, DEADLINE)),
        Outcome::TimedOut => panic!("it was killed\n\n{}", cell.notes(program, DEADLINE)),
    }
}
