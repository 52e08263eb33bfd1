//! A supervisor whose services crash as soon as they are started.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};

use childwatch_core::PidWatcher;

use super::life::{Life, OnDrop};
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild, Nursery};
use crate::kit::deadline;
use crate::kit::locked::lock;
use crate::kit::probe::Probe;

pub(super) const HOST: Host = Host {
    name: "restart-storm",
    is: "a supervisor that restarts crashing services in callbacks, hundreds of times, with \
         a slow child in between",
    needs: &[],
    exceptions: &[],
    live,
};

/// How many services crash at a time.
const SERVICES: usize = 6;
/// How many crashes the storm has before the slow child ends.
const RISEN: usize = 120;
/// How many it has at most. It is over by then, whatever has become of the slow child.
const MOST: usize = 20_000;
/// How a service ends.
const CRASH: End = End::Signal(libc::SIGKILL as u8);
/// What the slow child exits with.
const SLOW: u8 = 33;

fn live(life: &Life<'_>) {
    let nursery: Arc<dyn Nursery> = Arc::from(life.stage().backend().nursery());
    life.goes_on(|around| match around.watcher {
        None => wait_for_each(&*nursery),
        Some(watcher) => Storm::rise(&nursery, watcher),
    });
}

/// What the supervisor has seen.
#[derive(Debug, PartialEq)]
struct Seen {
    /// At least so many services have crashed.
    has_risen: bool,
    /// How many of them ended otherwise than by their crash.
    strange_ends: usize,
    /// The slow child's code.
    slow: Option<i32>,
    /// The slow child was reported while services went on to crash.
    slow_during_the_storm: bool,
}

/// The same without a watcher: the supervisor waits for one service after the other.
fn wait_for_each(nursery: &dyn Nursery) -> Seen {
    let mut slow = nursery.spawn();
    let mut strange_ends = 0;
    for _ in 0..RISEN {
        let mut service = nursery.spawn();
        service.die(CRASH);
        strange_ends += usize::from(!is_crash(&mut *service));
    }
    slow.die(End::Code(SLOW));
    Seen {
        has_risen: true,
        strange_ends,
        slow: slow.reap().and_then(|status| status.code()),
        slow_during_the_storm: true,
    }
}

fn is_crash(service: &mut dyn GatedChild) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let status = service.reap();
    status.and_then(|status| status.signal()) == Some(libc::SIGKILL)
}

struct Storm {
    nursery: Arc<dyn Nursery>,
    watcher: Weak<dyn PidWatcher>,
    crashes: AtomicUsize,
    strange_ends: AtomicUsize,
    is_over: AtomicBool,
}

impl Storm {
    fn rise(nursery: &Arc<dyn Nursery>, watcher: &Arc<dyn PidWatcher>) -> Seen {
        let storm = Arc::new(Storm {
            nursery: Arc::clone(nursery),
            watcher: Arc::downgrade(watcher),
            crashes: AtomicUsize::new(0),
            strange_ends: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let (mut slow, probe) = (nursery.spawn(), Probe::new());
        let watched = watcher.watch(slow.pid(), probe.callback());
        watched.expect("the watcher takes the slow child");
        let (tell, told) = mpsc::channel();
        let end = OnDrop(|| storm.is_over.store(true, Ordering::SeqCst));
        for _ in 0..SERVICES {
            storm.start(tell.clone());
        }
        deadline::until("the storm has risen", || storm.crashes() >= RISEN);
        slow.die(End::Code(SLOW));
        let reported = probe.ran_once();
        let slow_during_the_storm = storm.crashes() < MOST;
        drop(end);
        for _ in 0..SERVICES {
            let last = told.recv_timeout(deadline::patience());
            last.expect("the last crash of a service is reported");
        }
        assert_eq!(reported.status(), slow.reap());
        Seen {
            has_risen: storm.crashes() >= RISEN,
            strange_ends: storm.strange_ends.load(Ordering::SeqCst),
            slow: reported.status().and_then(|status| status.code()),
            slow_during_the_storm,
        }
    }

    fn crashes(&self) -> usize {
        self.crashes.load(Ordering::SeqCst)
    }

    /// Starts a service that crashes at once. Tells when it is not to be restarted.
    fn start(self: &Arc<Self>, tell: mpsc::Sender<()>) {
        let service = Arc::new(Mutex::new(self.nursery.spawn()));
        let pid = lock(&service).pid();
        let (storm, crashed) = (Arc::clone(self), Arc::clone(&service));
        let restart = move |_| {
            let strange = !is_crash(&mut **lock(&crashed));
            let strange = usize::from(strange);
            storm.strange_ends.fetch_add(strange, Ordering::SeqCst);
            let crashes = storm.crashes.fetch_add(1, Ordering::SeqCst);
            if crashes < MOST && !storm.is_over.load(Ordering::SeqCst) {
                storm.start(tell);
            } else {
                // After a failure, the receiver is gone.
                let _ = tell.send(());
            }
        };
        let watcher = self.watcher.upgrade().expect("the watcher is there");
        let watched = watcher.watch(pid, Box::new(restart));
        drop(watcher);
        watched.expect("the watcher takes a service");
        lock(&service).let_go(CRASH);
    }
}
