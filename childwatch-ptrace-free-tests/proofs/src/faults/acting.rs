//! The phase of a [`Life`] in which pidfds are offered and asked for, and a process is signalled.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use childwatch_core::{Pid, WatchError};
use rustix::process::{PidfdFlags, pidfd_open};

use super::children::Children;
use super::fault::Fault;
use super::observed::kind_of;
use super::scenario::Life;
use super::when::Phase;

impl Life {
    /// Asks for what C19 and C20 promise. What is refused while no fault is due must not be.
    pub(super) fn act(&mut self, children: &Children) {
        let held = &children.held;
        let (pid, fresh) = (held.child.pid(), children.fresh.child.pid());
        // What is refused besides a call of another phase would be refused here too.
        let is_tried =
            |fault: Fault| fault.phase == Phase::Acting || (fault.call.besides)().is_empty();
        if !held.is_registered || !self.fault.is_none_or(is_tried) {
            return;
        }
        let pidfds = (self.backend.name() == "pidfd").then(|| [pid, fresh].map(open));
        self.during(Phase::Acting, |life| {
            life.signals(pid);
            if let Some([registered, unregistered]) = pidfds {
                life.takes_pidfds(pid, registered, unregistered);
            }
        });
        if !self.lasts_for_good() {
            let sent = self.driver.watcher("sending a signal", move |watcher| {
                watcher.send_signal(pid, libc::SIGTERM)
            });
            assert!(sent.is_ok(), "{sent:?} when the fault is over");
        }
    }

    /// The process is a zombie, and stays so.
    fn signals(&mut self, pid: Pid) {
        let sent = self.driver.watcher("sending a signal", move |watcher| {
            watcher.send_signal(pid, libc::SIGTERM)
        });
        if let Err(error) = sent {
            self.observed.no_signal.insert(kind_of(&error));
        }
    }

    fn takes_pidfds(&mut self, pid: Pid, registered: Arc<OwnedFd>, unregistered: Arc<OwnedFd>) {
        let asked = self.driver.watcher("asking for a pidfd", move |watcher| {
            watcher.pidfd(pid).map(drop)
        });
        let again = self.driver.watcher("offering a pidfd", move |watcher| {
            match watcher.register_pidfd(registered.as_fd()) {
                Err(WatchError::AlreadyRegistered { .. }) => Ok(()),
                Err(error) => Err(error),
                Ok(pid) => panic!("process {pid} is registered twice"),
            }
        });
        let offered = self.driver.watcher("offering a pidfd", move |watcher| {
            let pid = watcher.register_pidfd(unregistered.as_fd())?;
            watcher.unregister_pid(pid);
            Ok::<_, WatchError>(())
        });
        for refused in [asked, again, offered].into_iter().filter_map(Result::err) {
            self.observed.no_pidfd.insert(kind_of(&refused));
        }
    }
}

/// On this thread, where no call fails.
fn open(pid: Pid) -> Arc<OwnedFd> {
    let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a Pid is positive");
    Arc::new(pidfd_open(number, PidfdFlags::empty()).expect("a pidfd"))
}
