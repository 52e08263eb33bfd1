//! The second phase of a [`Life`]: registering, and being refused.

use childwatch_core::{Pid, PidWatcher, WatchError, WatchHandle};

use super::children::{Children, Watched};
use super::observed::kind_of;
use super::scenario::Life;
use super::shortage::Shortage;
use childwatch_ptrace_free_tests::kit::footprint::Footprint;
use childwatch_ptrace_free_tests::kit::probe::Gate;

impl Life {
    /// Registers what is not yet.
    pub(super) fn register_all(
        &mut self,
        children: &mut Children,
        handles: &mut [Option<WatchHandle>; 3],
        gate: &Gate,
    ) {
        self.register(&mut children.held);
        let [first, second, last] = &mut children.told;
        for child in [first, second] {
            self.watch(child, || {});
        }
        let gate = gate.clone();
        self.watch(last, move || gate.pass());
        self.watch(&mut children.reaped_first, || {});
        for (child, handle) in children.unregistered.iter_mut().zip(handles) {
            *handle = self.watch(child, || {}).or(*handle);
        }
        for child in &mut children.never {
            self.watch(child, || {});
        }
    }

    /// What must be refused is, though perhaps for another reason.
    pub(super) fn refuses(&mut self, children: &Children) {
        let (held, gone) = (children.held.child.pid(), children.gone);
        let own = Pid::try_from(std::process::id()).expect("the own number is a pid");
        let is_fallback = self.backend.name().starts_with("fallback");
        for pid in [held, own, gone] {
            let answer = self.driver.watcher("registering a pid", move |watcher| {
                watcher.register_pid(pid)
            });
            match answer {
                Err(WatchError::AlreadyRegistered { .. }) if pid == held => {}
                Err(WatchError::OwnProcess { .. }) if pid == own => {}
                // Where it spills over, the primary's reason is the answer.
                Err(WatchError::ResourceLimit { .. }) if pid == own && is_fallback => {}
                Err(WatchError::NoSuchProcess { .. }) if pid == gone => {}
                Err(error) => {
                    self.observed.refused_otherwise.insert(kind_of(&error));
                }
                // It was refused when it should not have been, and the fault is over.
                Ok(()) if pid == held && !children.held.is_registered => {
                    self.driver.watcher("unregistering a pid", move |watcher| {
                        watcher.unregister_pid(pid);
                    });
                }
                Ok(()) => panic!("process {pid} can't be registered, and was"),
            }
        }
    }

    fn register(&mut self, held: &mut Watched) {
        let pid = held.child.pid();
        if !held.is_registered {
            let answer = self.registration(pid, move |watcher| watcher.register_pid(pid));
            held.is_registered = answer.is_some();
        }
        // A held process takes callbacks.
        if held.is_registered && held.probe.captures_are_dropped() && held.probe.runs() == 0 {
            let callback = held.callback(&self.board, || {});
            let answer = self
                .driver
                .watcher("registering a callback", move |watcher| {
                    watcher.register_callback(pid, callback)
                });
            answer.expect("a callback for a live process needs nothing of the kernel's");
        }
    }

    pub(super) fn watch(
        &mut self,
        watched: &mut Watched,
        body: impl FnOnce() + Send + 'static,
    ) -> Option<WatchHandle> {
        if watched.is_registered {
            return None;
        }
        let (pid, callback) = (watched.child.pid(), watched.callback(&self.board, body));
        let handle = self.registration(pid, move |watcher| watcher.watch(pid, callback));
        watched.is_registered = handle.is_some();
        assert!(watched.is_registered || watched.probe.captures_are_dropped());
        handle
    }

    /// Returns the result of a registration. A refused registration leaves nothing behind.
    fn registration<T: Send + 'static>(
        &mut self,
        pid: Pid,
        register: impl FnOnce(&dyn PidWatcher) -> Result<T, WatchError> + Send + 'static,
    ) -> Option<T> {
        // Without files no footprint can be taken.
        let can_be_looked_at = self.fault.and_then(Shortage::kind).is_none();
        let before = can_be_looked_at.then(Footprint::now);
        match self.driver.watcher("registering", register) {
            Ok(value) => Some(value),
            Err(error) => {
                let kind = self.kind(&error, Some(pid));
                self.observed.not_registered.insert(kind);
                if let Some(before) = before {
                    before.assert_not_grown();
                }
                None
            }
        }
    }
}
