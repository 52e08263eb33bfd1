//! Random programs against every backend of this workspace. Each runs in a process of its
//! own, and its history is judged against the contract.
//!
//! A failing program is made smaller, shown, and kept in `proptest-regressions/`, whose
//! programs are run first. `PROPTEST_CASES` says how many new ones are tried.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use childwatch_proofs::backends::{
    DrivenWithoutHeartbeat, FallbackDriven, Forwarded, Pidfd, PidfdDriven, PidfdOrSigchld, Sigchld,
    SigchldDriven, Simulated, SimulatedDriven, WithoutHeartbeat,
};
use childwatch_proofs::broken;
use childwatch_proofs::program::{Body, Place, Program, Step};
use childwatch_ptrace_free_tests::{BackendUnderTest, Outcome};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseError, TestError, TestRunner};
use rstest::rstest;

/// For one program. A program that hangs needs more than this, and a slow one on a busy
/// machine less.
const DEADLINE: Duration = Duration::from_secs(60);

/// For one of a watcher that is known to be wrong: a wait for a lost callback lasts a quarter
/// of it.
const SHORT_DEADLINE: Duration = Duration::from_secs(8);

/// How many programs, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 96;

/// Where failing programs are kept, next to this file's directory.
const KEPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/proptest-regressions/programs.txt"
);

#[rstest]
fn programs_keep_to_the_contract(
    #[values(&Pidfd, &Sigchld, &WithoutHeartbeat, &Forwarded, &PidfdOrSigchld, &Simulated, &PidfdDriven, &SigchldDriven, &DrivenWithoutHeartbeat, &FallbackDriven, &SimulatedDriven)]
    backend: &'static dyn BackendUnderTest,
) {
    let config = ProptestConfig {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(KEPT))),
        ..ProptestConfig::default()
    };
    let has_failed = Cell::new(false);
    let tried = TestRunner::new(config).run(&program(), |program| {
        // A smaller program may need several runs to meet the same race.
        let runs = if has_failed.get() { 20 } else { 1 };
        let held = (0..runs).try_for_each(|_| holds(backend, &program));
        has_failed.set(has_failed.get() || held.is_err());
        held
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(reason, program)) => {
            panic!("{}: {program}\n{reason}", backend.name())
        }
        Err(TestError::Abort(reason)) => panic!("{}: {reason}", backend.name()),
    }
}

/// Programs that have found something, or all but: each runs several times, because they race.
#[rstest]
fn a_program_that_found_something_keeps_to_the_contract(
    #[values(&Pidfd, &Sigchld, &WithoutHeartbeat, &Forwarded, &PidfdOrSigchld, &Simulated, &PidfdDriven, &SigchldDriven, &DrivenWithoutHeartbeat, &FallbackDriven, &SimulatedDriven)]
    backend: &'static dyn BackendUnderTest,
    #[values(
        // Of two calls that made one registration last, both were told so.
        "watch:0 register:0 | register:0 | register:0",
        // A callback of a number's last child; its next one is not registered yet.
        "watch:0{go:0 register:0} reap:0 register:0 register:1 spawn:0",
        // The watcher is dropped as a callback uses it.
        "register:0 callback:0{reap:0 cancel:1} die:0 | watch:0! spawn:0 drop"
    )]
    program: &str,
) {
    let program: Program = program.parse().expect("a program");
    for _ in 0..10 {
        if let Err(error) = holds(backend, &program) {
            panic!("{}: {error}", backend.name());
        }
    }
}

/// Nothing that is looked for is overlooked.
#[rstest]
fn a_broken_watcher_is_found(
    #[values(
        "deaf",
        "drops-at-the-exit",
        "runs-what-was-taken-out",
        "reports-early",
        "tells-signals-as-codes",
        "tells-another-pid",
        "runs-last-first",
        "runs-each-on-its-own-thread",
        "reaps",
        "leaks-an-fd",
        "keeps-refused-callbacks",
        "registers-a-number-once",
        "watch-unregisters",
        "takes-none-for-reaped",
        "claims-that-it-has-run",
        "finds-too-early"
    )]
    name: &str,
) {
    let broken = broken::named(name).expect("a broken watcher");
    if let Err(reason) = broken.is_available() {
        println!("– {name}: {reason}");
        return;
    }
    let config = ProptestConfig {
        cases: 400,
        max_shrink_iters: shrinking(),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let tried = TestRunner::new(config).run(&program(), |program| {
        keeps(broken, &program, SHORT_DEADLINE)
    });
    match tried {
        Err(TestError::Fail(reason, program)) => {
            // Above it is where the panic was.
            let is_said = |line: &&str| !line.is_empty() && !line.starts_with("thread ");
            let found = reason.message().lines().find(is_said).unwrap_or_default();
            println!("{name}: {found}\n    in {program}");
        }
        other => panic!("{name} was not found: {other:?}"),
    }
}

/// Making the programs of broken watchers small is for those who want to see them.
fn shrinking() -> u32 {
    match std::env::var("PROPTEST_MAX_SHRINK_ITERS") {
        Ok(most) => most.parse().expect("PROPTEST_MAX_SHRINK_ITERS is a number"),
        Err(_) => 0,
    }
}

fn cases() -> u32 {
    match std::env::var("PROPTEST_CASES") {
        Ok(cases) => cases.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => CASES,
    }
}

fn holds(backend: &'static dyn BackendUnderTest, program: &Program) -> Result<(), TestCaseError> {
    keeps(backend, program, DEADLINE)
}

fn keeps(
    backend: &dyn BackendUnderTest,
    program: &Program,
    deadline: Duration,
) -> Result<(), TestCaseError> {
    let runner = Path::new(env!("CARGO_BIN_EXE_childwatch-conformance"));
    let verdict = program.run(backend, runner, deadline).expect("a process");
    match verdict.outcome {
        Outcome::Passed => Ok(()),
        Outcome::Failed(reason) => Err(TestCaseError::fail(reason)),
        Outcome::TimedOut => Err(TestCaseError::fail(format!("killed after {deadline:?}"))),
        Outcome::Unsupported(reason) => {
            println!("– {}: {reason}", backend.name());
            Ok(())
        }
    }
}

/// One to three threads.
fn program() -> impl Strategy<Value = Program> {
    vec(vec(step(), 0..12), 1..=3).prop_map(|threads| Program { threads })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => leaf(),
        2 => place().prop_map(Step::Spawn),
        5 => (place(), body()).prop_map(|(place, body)| Step::Callback(place, body)),
        9 => (place(), body()).prop_map(|(place, body)| Step::Watch(place, body)),
    ]
}

/// Steps that have no steps of their own.
fn leaf() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => place().prop_map(Step::LetGo),
        2 => place().prop_map(Step::Kill),
        1 => place().prop_map(Step::Stop),
        1 => place().prop_map(Step::Continue),
        2 => place().prop_map(Step::Die),
        3 => place().prop_map(Step::Reap),
        6 => place().prop_map(Step::Register),
        3 => place().prop_map(Step::Unregister),
        6 => (0..12_u8).prop_map(Step::Cancel),
        4 => place().prop_map(Step::Poll),
        1 => Just(Step::Drop),
    ]
}

/// A callback may register others, whose callbacks do no such thing.
fn body() -> impl Strategy<Value = Body> {
    let shallow = steps_of(leaf().boxed());
    let deep = steps_of(
        prop_oneof![
            2 => leaf(),
            1 => (place(), shallow.clone()).prop_map(|(place, body)| Step::Callback(place, body)),
            1 => (place(), shallow.clone()).prop_map(|(place, body)| Step::Watch(place, body)),
        ]
        .boxed(),
    );
    prop_oneof![
        4 => Just(Body::default()),
        2 => shallow,
        1 => deep,
    ]
}

fn steps_of(step: BoxedStrategy<Step>) -> BoxedStrategy<Body> {
    (vec(step, 0..3), prop::bool::weighted(0.1))
        .prop_map(|(steps, panics)| Body { steps, panics })
        .boxed()
}

/// Few, so that threads meet.
fn place() -> impl Strategy<Value = Place> {
    (0..3_u8).prop_map(Place)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_program_is_read_as_it_is_written(program in program()) {
        prop_assert_eq!(program.to_string().parse(), Ok(program));
    }
}
