//! [`Need`]: what a law needs that not every source or machine has.

use std::os::fd::AsFd;

use childwatch_core::WatchError;
use childwatch_core::source::ExitSource;

use super::processes::{Processes, pidfd_of};
use super::reports::token;

/// What a law needs that not every source or machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The processes are the kernel's.
    RealProcesses,
    /// A process can be started with a chosen pid.
    ChosenPids,
    /// The source takes pidfds.
    Pidfds,
    /// The source sends signals.
    Signals,
}

impl Need {
    /// Returns the reason if the source or the machine does not have it.
    ///
    /// # Panics
    ///
    /// If the source offers only a part of it.
    pub(crate) fn check<S: ExitSource>(
        self,
        source: &S,
        processes: &Processes,
    ) -> Result<(), String> {
        match self {
            Need::RealProcesses => are_real(processes),
            Need::ChosenPids => processes.can_choose_pids(),
            Need::Pidfds => takes_pidfds(source, processes),
            Need::Signals => sends_signals(source, processes),
        }
    }
}

fn are_real(processes: &Processes) -> Result<(), String> {
    match processes.child().is_real() {
        true => Ok(()),
        false => Err("its processes exist only in memory".to_owned()),
    }
}

/// A source without pidfds refuses all three calls.
fn takes_pidfds<S: ExitSource>(source: &S, processes: &Processes) -> Result<(), String> {
    are_real(processes)?;
    let child = processes.child();
    let pidfd = pidfd_of(&*child).map_err(|error| format!("pidfd_open: {error}"))?;
    let pid = child.pid();
    match source.pid_of(pidfd.as_fd()) {
        Ok(of_its_process) => {
            assert_eq!(of_its_process, pid, "the pidfd is of another process");
            Ok(())
        }
        Err(WatchError::Unsupported { .. }) => {
            let armed = source.arm_pidfd(pid, pidfd.as_fd(), token(0));
            assert!(
                matches!(armed, Err(WatchError::Unsupported { .. })),
                "`pid_of` refuses pidfds, and `arm_pidfd` returns {armed:?}"
            );
            let given = source.pidfd(pid, token(0));
            assert!(
                matches!(given, Err(WatchError::Unsupported { .. })),
                "`pid_of` refuses pidfds, and `pidfd` returns {given:?}"
            );
            Err("the source takes no pidfds".to_owned())
        }
        Err(other) => panic!("{other}"),
    }
}

fn sends_signals<S: ExitSource>(source: &S, processes: &Processes) -> Result<(), String> {
    match source.send_signal(processes.child().pid(), token(0), 0) {
        Err(WatchError::Unsupported { .. }) => Err("the source sends no signals".to_owned()),
        _ => Ok(()),
    }
}
