//! A supervisor that restarts each of its services in the callback of its exit.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, Weak, mpsc};

use childwatch_core::{Exit, PidWatcher};

use super::inherited::signals_of_a_new_program;
use super::life::{Around, Life};
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild, Nursery};
use crate::kit::deadline;
use crate::kit::locked::lock;

pub(super) const HOST: Host = Host {
    name: "restarts-in-callbacks",
    is: "a supervisor that restarts its services in callbacks, and keeps a record of each run",
    needs: &[],
    exceptions: &[],
    live,
};

const SERVICES: u8 = 5;
/// How often each service is run.
const RUNS: u8 = 6;

fn live(life: &Life<'_>) {
    let nursery: Arc<dyn Nursery> = Arc::from(life.stage().backend().nursery());
    life.goes_on(|around| Supervisor::new(&nursery, around).supervise());
}

/// What the supervisor writes down when a service has ended.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    service: u8,
    run: u8,
    code: Option<i32>,
    /// The signals that a program started at that time finds blocked and ignored.
    signals: Vec<String>,
}

struct Supervisor {
    nursery: Arc<dyn Nursery>,
    /// Without a watcher it waits for one service after the other.
    watcher: Option<Weak<dyn PidWatcher>>,
    runs: Mutex<Vec<Run>>,
}

impl Supervisor {
    fn new(nursery: &Arc<dyn Nursery>, around: Around<'_>) -> Arc<Self> {
        Arc::new(Supervisor {
            nursery: Arc::clone(nursery),
            watcher: around.watcher.map(Arc::downgrade),
            runs: Mutex::default(),
        })
    }

    /// Runs every service as often as it is to run. Returns the record, in order.
    fn supervise(self: &Arc<Self>) -> Vec<Run> {
        match &self.watcher {
            None => (0..SERVICES).for_each(|service| self.wait_for_all_runs_of(service)),
            Some(watcher) => {
                let (tell, told) = mpsc::channel();
                for service in 0..SERVICES {
                    self.start(watcher, service, 0, tell.clone());
                }
                for _ in 0..SERVICES {
                    let last = told.recv_timeout(deadline::patience());
                    last.expect("the last run of a service is reported");
                }
            }
        }
        let mut runs = std::mem::take(&mut *lock(&self.runs));
        runs.sort();
        runs
    }

    fn wait_for_all_runs_of(&self, service: u8) {
        for run in 0..RUNS {
            let mut child = self.nursery.spawn();
            child.die(end_of(service, run));
            self.enter(service, run, child.reap());
        }
    }

    fn start(
        self: &Arc<Self>,
        watcher: &Weak<dyn PidWatcher>,
        service: u8,
        run: u8,
        tell: mpsc::Sender<()>,
    ) {
        let watcher = watcher.upgrade().expect("the watcher is there");
        let child: Arc<Mutex<Box<dyn GatedChild>>> = Arc::new(Mutex::new(self.nursery.spawn()));
        let pid = lock(&child).pid();
        let restart = {
            let (supervisor, child) = (Arc::clone(self), Arc::clone(&child));
            move |exit| supervisor.restart(exit, &child, service, run, tell)
        };
        let watched = watcher.watch(pid, Box::new(restart));
        // It may end in the callback, but not by its last owner there.
        drop(watcher);
        watched.expect("the watcher takes a service");
        lock(&child).let_go(end_of(service, run));
    }

    /// The callback of a service's exit.
    fn restart(
        self: &Arc<Self>,
        exit: Exit,
        child: &Mutex<Box<dyn GatedChild>>,
        service: u8,
        run: u8,
        tell: mpsc::Sender<()>,
    ) {
        let status = lock(child).reap();
        assert_eq!(
            exit.status(),
            status,
            "another status than that of the zombie"
        );
        self.enter(service, run, status);
        match &self.watcher {
            Some(watcher) if run + 1 < RUNS => self.start(watcher, service, run + 1, tell),
            // After a failure, the receiver is gone.
            _ => drop(tell.send(())),
        }
    }

    fn enter(&self, service: u8, run: u8, status: Option<ExitStatus>) {
        // A program costs more than the service.
        let signals = if run == 1 {
            signals_of_a_new_program()
        } else {
            Vec::new()
        };
        lock(&self.runs).push(Run {
            service,
            run,
            code: status.and_then(|status| status.code()),
            signals,
        });
    }
}

/// Every third run is killed.
fn end_of(service: u8, run: u8) -> End {
    if run % 3 == 2 {
        End::Signal(libc::SIGKILL as u8)
    } else {
        End::Code(service * 10 + run)
    }
}
