//! Each sandbox takes from the backends what it says, and nothing else.

#![forbid(unsafe_code)]

use childwatch_proofs::backends::{Pidfd, PidfdOrSigchld, Sigchld};
use childwatch_ptrace_free_tests::kit::skip;
use childwatch_ptrace_free_tests::machine::refusal::with_refused;
use childwatch_ptrace_free_tests::{BackendUnderTest, Sandbox};

fn can_be_tested() -> bool {
    skip::can_run(Sandbox::can_be_applied())
}

fn available_in(sandbox: Sandbox, backend: &dyn BackendUnderTest) -> Result<(), String> {
    with_refused(sandbox.refusals(), || backend.is_available())
}

/// So that a matrix under a sandbox that does nothing is not taken for a pass.
#[test]
fn each_sandbox_takes_from_the_backends_what_it_says() {
    if !can_be_tested() || Pidfd.is_available().is_err() {
        return;
    }
    for &sandbox in Sandbox::ALL {
        let lacks = match sandbox {
            Sandbox::NoPidfd | Sandbox::Gvisor2025 => Some("does not offer pidfd_open"),
            Sandbox::Eperm | Sandbox::Eacces => Some("does not offer pidfd_open"),
            Sandbox::NoPPidfd => Some("does not offer waitid(P_PIDFD)"),
            Sandbox::Enomem => Some("supported, but not to be had now"),
            Sandbox::NoInfo | Sandbox::Gvisor2026 => None,
            Sandbox::NoClone3 | Sandbox::NoPtrace | Sandbox::NoWipeonfork => None,
            Sandbox::IgnoresMadvise => None,
            _ => panic!("what does {sandbox:?} take?"),
        };
        match (available_in(sandbox, &Pidfd), lacks) {
            (Ok(()), None) => {}
            (Err(reason), Some(lacks)) if reason.contains(lacks) => {}
            (answer, _) => panic!("{sandbox:?}: {answer:?}, not {lacks:?}"),
        }
        assert_eq!(available_in(sandbox, &Sigchld), Ok(()), "{sandbox:?}");
        assert_eq!(
            available_in(sandbox, &PidfdOrSigchld),
            Ok(()),
            "{sandbox:?}"
        );
    }
}

#[test]
fn what_a_backend_can_do_without_is_refused_too() {
    if !can_be_tested() {
        return;
    }
    for sandbox in [Sandbox::NoInfo, Sandbox::Gvisor2026] {
        let is_refused = || childwatch_pidfd::probe().get_info.is_err();
        assert!(with_refused(sandbox.refusals(), is_refused), "{sandbox:?}");
    }
}
