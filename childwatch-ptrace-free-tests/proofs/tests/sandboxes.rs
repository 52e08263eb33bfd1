//! Each sandbox takes from the backends what it says, and nothing else.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use childwatch_pidfd::{AutoWatcher, Backends, Pid, PidWatcherExt, PidfdWatcher, WatchError};
use childwatch_proofs::backends::{Pidfd, PidfdOrSigchld, Sigchld};
use childwatch_ptrace_free_tests::kit::skip;
use childwatch_ptrace_free_tests::machine::refusal::{Refusal, with_refused};
use childwatch_ptrace_free_tests::{BackendUnderTest, Sandbox};
use rustix::io::Errno;

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

/// C21: if it cannot be made, its error is that of a watcher of exits.
#[test]
fn a_watcher_of_reapings_lacks_what_a_watcher_of_exits_lacks() {
    if !can_be_tested() || childwatch_pidfd::probe().check_until_reaped().is_err() {
        return;
    }
    for &sandbox in Sandbox::ALL {
        let (of_exits, of_reapings) = with_refused(sandbox.refusals(), || {
            let of_reapings = PidfdWatcher::until_reaped().map(drop);
            (childwatch_pidfd::probe().check(), of_reapings)
        });
        let why = |answer: Result<(), WatchError>| answer.err().map(|error| error.to_string());
        assert_eq!(why(of_reapings), why(of_exits), "{sandbox:?}");
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

/// It watches a child, so that a choice without a working watcher is not taken for a pass.
fn chosen_by_auto() -> Backends {
    let watcher = AutoWatcher::new().unwrap().with_resource_usage();
    let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
    let minute = Duration::from_secs(60);
    let exit = watcher.wait_timeout(Pid::from(&child), minute).unwrap();
    let exit = exit.unwrap();
    assert_eq!(exit.status().and_then(|status| status.code()), Some(3));
    assert!(exit.resource_usage().is_some(), "{exit}");
    child.wait().unwrap();
    watcher.backends()
}

/// The same without a thread.
fn chosen_by_auto_driven() -> Backends {
    let (watcher, mut driver) = AutoWatcher::driven().unwrap();
    let watcher = watcher.with_resource_usage();
    let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
    let (sender, told) = mpsc::channel();
    let pid = Pid::from(&child);
    watcher
        .on_exit(pid, move |exit| sender.send(exit).unwrap())
        .unwrap();
    while driver.drive(None).unwrap() == 0 {}
    let exit = told.try_recv().unwrap();
    assert_eq!(exit.status().and_then(|status| status.code()), Some(3));
    assert!(exit.resource_usage().is_some(), "{exit}");
    child.wait().unwrap();
    watcher.backends()
}

#[test]
fn auto_takes_what_each_sandbox_offers() {
    if !can_be_tested() || Pidfd.is_available().is_err() {
        return;
    }
    assert_eq!(chosen_by_auto(), Backends::Both);
    assert_eq!(chosen_by_auto_driven(), Backends::Both);
    for &sandbox in Sandbox::ALL {
        let without_pidfds = match sandbox {
            Sandbox::NoPidfd | Sandbox::Gvisor2025 | Sandbox::Eperm => true,
            Sandbox::Eacces | Sandbox::NoPPidfd => true,
            // A shortage may end, so it is no reason to do without pidfds.
            _ => false,
        };
        let wanted = if without_pidfds {
            Backends::Sigchld
        } else {
            Backends::Both
        };
        let chosen = with_refused(sandbox.refusals(), chosen_by_auto);
        assert_eq!(chosen, wanted, "{sandbox:?}");
        let driven = with_refused(sandbox.refusals(), chosen_by_auto_driven);
        assert_eq!(driven, wanted, "{sandbox:?}, driven");
    }
}

#[test]
fn auto_does_without_descriptors() {
    if !can_be_tested() {
        return;
    }
    let refused = [Refusal::of(libc::SYS_epoll_create1, Errno::MFILE)];
    assert_eq!(with_refused(&refused, chosen_by_auto), Backends::Sigchld);
    // What a loop polls is a descriptor.
    let driven = with_refused(&refused, AutoWatcher::driven);
    assert!(
        matches!(driven, Err(WatchError::ResourceLimit { .. })),
        "{driven:?}"
    );
}

#[test]
fn auto_does_without_sigchld() {
    if !can_be_tested() || Pidfd.is_available().is_err() {
        return;
    }
    let refused = [Refusal::of(libc::SYS_rt_sigaction, Errno::PERM)];
    assert_eq!(with_refused(&refused, chosen_by_auto), Backends::Pidfd);
    let driven = with_refused(&refused, chosen_by_auto_driven);
    assert_eq!(driven, Backends::Pidfd);
    let neither = [refused[0], Refusal::of(libc::SYS_pidfd_open, Errno::NOSYS)];
    let error = with_refused(&neither, AutoWatcher::new).unwrap_err();
    assert!(
        matches!(&error, WatchError::Unsupported { operation, .. } if operation.contains("pidfd")),
        "{error}"
    );
}
