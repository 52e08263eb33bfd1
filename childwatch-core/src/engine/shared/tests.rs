//! Calls about a registration that changes while they are made.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Mutex, Weak};

use super::*;
use crate::contract::error::PidfdFault;
use crate::contract::watcher::PidWatcher;
use crate::engine::driven::DrivenWatcher;
use crate::watchers::simulated::{SimulatedProcesses, SimulatedSource};

type Meanwhile = Box<dyn Fn(&DrivenWatcher<Planned>) + Send>;

/// A source over simulated processes. What happens during its next calls is planned.
struct Planned {
    source: SimulatedSource,
    /// The pids of the next pidfds.
    pids: Mutex<VecDeque<Result<Pid, PidfdFault>>>,
    /// What another thread does during the next signal or look, which then finds no such token.
    meanwhile: Mutex<Option<(Weak<DrivenWatcher<Planned>>, Meanwhile)>>,
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl ExitSource for Planned {
    type Waiter = ();

    const THREAD_NAME: &'static str = "planned";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.source.arm(pid, token)
    }

    fn pid_of(&self, _pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        let pid = self.pids.lock().unwrap().pop_front().unwrap();
        let source = None;
        pid.map_err(|reason| WatchError::UnusablePidfd { reason, source })
    }

    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some((watcher, changes)) = meanwhile {
            changes(&watcher.upgrade().unwrap());
            return None;
        }
        self.source.look(token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some((watcher, changes)) = meanwhile {
            changes(&watcher.upgrade().unwrap());
            return Err(WatchError::NotRegistered { pid });
        }
        self.source.send_signal(pid, token, signal)
    }

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.source.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.source.wake()
    }
}

/// Calls a watcher that nobody drives, with a registered process.
fn with_registered(body: impl FnOnce(&SimulatedProcesses, &Arc<DrivenWatcher<Planned>>, Pid)) {
    let processes = SimulatedProcesses::new();
    let source = Planned {
        source: SimulatedSource::new(&processes),
        pids: Mutex::default(),
        meanwhile: Mutex::default(),
    };
    let (watcher, _driver) = DrivenWatcher::with_driver(source, ());
    let pid = processes.spawn();
    watcher.register_pid(pid).unwrap();
    body(&processes, &Arc::new(watcher), pid);
}

/// C13, C19: the process of a pidfd has had the pid, and was reaped before the registered process
/// got it. Both may happen between two questions.
#[test]
fn a_pidfd_whose_process_had_the_pid_before_is_not_that_of_the_registered_process() {
    with_registered(|_, watcher, pid| {
        let any = std::fs::File::open("/dev/null").unwrap();
        let pids_are = |pids: [Result<Pid, PidfdFault>; 2]| {
            watcher.source().pids.lock().unwrap().extend(pids);
        };
        let calls: [&dyn Fn() -> Result<(), WatchError>; 2] =
            [&|| watcher.register_pidfd(any.as_fd()).map(drop), &|| {
                watcher.watch_pidfd(any.as_fd(), Box::new(|_| ())).map(drop)
            }];
        for call in calls {
            pids_are([Ok(pid), Err(PidfdFault::Reaped)]);
            let answer = call();
            assert!(
                matches!(answer, Err(WatchError::UnusablePidfd { .. })),
                "{answer:?}"
            );
        }
        assert_eq!(watcher.stats().unwrap().callbacks_pending, 0);
        pids_are([Ok(pid); 2]);
        let again = watcher.register_pidfd(any.as_fd());
        assert!(matches!(again, Err(WatchError::AlreadyRegistered { .. })));
    });
}

/// The registration of `pid` ends during the next look or signal, and perhaps is made anew.
fn ends_meanwhile(watcher: &Arc<DrivenWatcher<Planned>>, pid: Pid, is_made_anew: bool) {
    let changes: Meanwhile = Box::new(move |watcher| {
        watcher.unregister_pid(pid);
        if is_made_anew {
            watcher.register_pid(pid).unwrap();
        }
    });
    let changes = (Arc::downgrade(watcher), changes);
    *watcher.source().meanwhile.lock().unwrap() = Some(changes);
}

/// C1: the process is a zombie during the whole call.
#[test]
fn an_exit_is_found_though_the_registration_ends_during_the_look() {
    for is_made_anew in [false, true] {
        with_registered(|processes, watcher, pid| {
            processes.exit(pid, ExitStatus::from_raw(3 << 8));
            ends_meanwhile(watcher, pid, is_made_anew);
            let found = watcher.try_wait(pid).unwrap().expect("it is a zombie");
            assert_eq!(found.status(), Some(ExitStatus::from_raw(3 << 8)));
        });
    }
}

/// C20: the process is registered before and after the call, under another token.
#[test]
fn a_registration_that_is_made_anew_during_a_call_is_asked_about() {
    for is_sent in [false, true] {
        with_registered(|processes, watcher, pid| {
            ends_meanwhile(watcher, pid, is_sent);
            match watcher.send_signal(pid, 15) {
                Ok(()) => assert!(is_sent),
                Err(WatchError::NotRegistered { .. }) => assert!(!is_sent),
                Err(other) => panic!("{other}"),
            }
            assert_eq!(processes.signals(pid).len(), usize::from(is_sent));
        });
    }
}
