//! [`live`]: a watcher's whole life with a fault in it, in a process of its own.

use std::sync::Arc;

use childwatch_core::{Pid, Unregistered, WatchError, WatchHandle};
use rustix::io::Errno;

use super::board::{Board, Waits};
use super::call::Hides;
use super::children::{Children, Watched};
use super::driver::Driver;
use super::fault::Fault;
use super::observed::{Observed, Told, clear_kind};
use super::shortage::Shortage;
use super::table::{DRIVERS_WAKE, WAKE};
use super::when::{Phase, When};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::child::End;
use childwatch_ptrace_free_tests::kit::deadline::until;
use childwatch_ptrace_free_tests::kit::footprint::Footprint;
use childwatch_ptrace_free_tests::kit::probe::Gate;
use childwatch_ptrace_free_tests::kit::sys::signals;

/// What a watcher makes of the fault, from its making to its end.
///
/// # Errors
///
/// Why it can't be tried here.
///
/// # Panics
///
/// When an exit is lost, told twice or with a wrong status, when something hangs or panics,
/// an error is not clear, or something is left behind.
pub(super) fn live(
    backend: &'static dyn BackendUnderTest,
    fault: Option<Fault>,
    board: &Arc<Board>,
) -> Result<Observed, String> {
    let before = Footprint::now();
    // Then only the watcher's own threads receive the signal.
    signals::block_sigchld();
    let besides = fault.map(|fault| (fault.call.besides)());
    let driver = Driver::start(board, besides.unwrap_or_default())?;
    let mut children = Children::of(backend);
    let mut life = Life {
        backend,
        fault,
        board: Arc::clone(board),
        ready: Footprint::now(),
        driver,
        observed: Observed::default(),
    };
    if life.make() {
        life.watch_and_tell(&mut children);
    }
    drop(children);
    let Life {
        driver, observed, ..
    } = life;
    if observed.leaves_thread || observed.leaves_loop {
        // It needs answers as long as it lives, which is as long as this process does.
        std::mem::forget(driver);
        return Ok(observed);
    }
    driver.finish();
    before.assert_unchanged();
    Ok(observed)
}

/// A watcher's life, and what is known of it so far.
pub(super) struct Life {
    pub(super) backend: &'static dyn BackendUnderTest,
    pub(super) fault: Option<Fault>,
    pub(super) board: Arc<Board>,
    /// With the driver, its supervisor and the children, and nothing of a watcher's.
    ready: Footprint,
    pub(super) driver: Driver,
    pub(super) observed: Observed,
}

impl Life {
    /// Whether there is a watcher.
    fn make(&mut self) -> bool {
        let Err(error) = self.during(Phase::Making, |life| life.try_to_make()) else {
            return true;
        };
        self.observed.not_made = Some(self.kind(&error, None));
        self.ready.assert_unchanged();
        if self.lasts_for_good() {
            return false;
        }
        let made = self.try_to_make();
        made.expect("a watcher can be made when the fault is over");
        true
    }

    fn try_to_make(&self) -> Result<(), WatchError> {
        let before = self.board.waits();
        let call = self.fault.map(|fault| fault.call);
        let lets_through = call.is_some_and(|call| call.maker_lets_sigchld_through);
        self.driver.make(self.backend, lets_through)?;
        self.all_threads_wait(before);
        Ok(())
    }

    fn watch_and_tell(&mut self, children: &mut Children) {
        let gate = Gate::new();
        let mut handles = [None; 3];
        self.during(Phase::Registering, |life| {
            life.register_all(children, &mut handles, &gate);
            life.refuses(children);
        });
        if !self.lasts_for_good() {
            self.register_all(children, &mut handles, &gate);
            assert!(children.are_registered(), "refused when the fault is over");
        }
        if self.is_hiding(Phase::Telling) {
            gate.open();
            self.exits_are_hidden(children);
        } else {
            self.during(Phase::Telling, |life| life.exits_are_told(children, &gate));
        }
        self.late_callbacks(&children.held);
        self.act(children);
        self.during(Phase::Unregistering, |life| {
            life.unregister(&children.held, handles);
        });
        for Watched { child, probe, .. } in &children.unregistered {
            assert!(probe.captures_are_dropped());
            child.die(End::Code(0));
        }
        if !self.lasts_for_good() {
            let fresh = &mut children.fresh;
            self.watch(fresh, || {});
            assert!(fresh.is_registered, "refused when the fault is over");
            fresh.child.die(End::Code(fresh.code));
            self.tells(fresh);
            fresh.reap_and_check();
            let told_in = fresh.waits();
            // So that its thread has to be woken for the end.
            self.waits_again(told_in);
        }
        self.drop_watcher();
        self.all_has_been_told_once(children);
    }

    fn unregister(&mut self, held: &Watched, handles: [Option<WatchHandle>; 3]) {
        for handle in handles.into_iter().flatten() {
            let answer = self
                .driver
                .watcher("unregistering a callback", move |watcher| {
                    watcher.unregister_callback(handle)
                });
            assert_eq!(answer, Unregistered::WillNotRun);
        }
        let pid = held.child.pid();
        self.driver.watcher("unregistering a pid", move |watcher| {
            watcher.unregister_pid(pid);
        });
    }

    /// What the watcher was to tell, and what it was not to; it has been dropped.
    fn all_has_been_told_once(&self, children: &mut Children) {
        for Watched { probe, .. } in children.unregistered.iter().chain(&children.never) {
            assert!(probe.captures_are_dropped());
            assert_eq!(probe.runs(), 0, "a callback ran that must not");
        }
        for child in children.to_be_told() {
            assert!(child.probe.captures_are_dropped());
            let runs = child.probe.runs();
            let is_right = match runs {
                0 => !child.is_registered || matches!(self.observed.is_told, Told::Never { .. }),
                1 => child.is_registered,
                _ => false,
            };
            assert!(is_right, "an exit was told {runs} times");
        }
        for child in children.told.iter_mut().chain([&mut children.held]) {
            child.reap_and_check();
        }
    }

    fn drop_watcher(&mut self) {
        let ends = !self.cannot_be_woken();
        self.during(Phase::Dropping, |life| life.driver.drop_watcher(ends));
        if !self.cannot_be_woken() {
            return self.ready.assert_unchanged();
        }
        match self.backend.name() {
            // A heartbeat may have come meanwhile.
            "sigchld-driven" | "fallback-driven" => self.observed.leaves_loop = true,
            _ if Footprint::now() == self.ready => {}
            "pidfd-driven" => self.observed.leaves_loop = true,
            _ => self.observed.leaves_thread = true,
        }
    }

    /// Whether the watcher's thread could not be woken however often it was tried: then
    /// nothing can end its wait, and it stays.
    fn cannot_be_woken(&self) -> bool {
        self.fault.is_some_and(|fault| {
            let lasts = match fault.when {
                When::Nth(_) => false,
                When::Lasting => fault.phase == Phase::Dropping,
                When::ForGood => true,
            };
            lasts && self.is_wake_refused()
        })
    }

    /// Whether the fault is a refused wake.
    pub(super) fn is_wake_refused(&self) -> bool {
        self.fault
            .is_some_and(|fault| [WAKE, DRIVERS_WAKE].contains(&fault.call.name))
    }

    /// `body`, in which the fault is due. The phase lasts until it has come up.
    #[track_caller]
    pub(super) fn during<T>(&mut self, phase: Phase, body: impl FnOnce(&mut Self) -> T) -> T {
        let fault = self.fault.filter(|fault| fault.phase == phase);
        let shortage = fault.and_then(Shortage::of);
        self.board.begin(phase);
        let result = body(self);
        if fault.is_some() && shortage.is_none() {
            let board = Arc::clone(&self.board);
            until("the call that is to fail", move || board.failed() > 0);
        }
        self.board.end_phase();
        result
    }

    /// Whether exits can't be seen in this phase, as long as it lasts.
    fn is_hiding(&self, phase: Phase) -> bool {
        self.fault.is_some_and(|fault| {
            let lasts = match fault.when {
                When::Nth(_) => false,
                When::Lasting => fault.phase == phase,
                When::ForGood => fault.phase <= phase,
            };
            fault.call.hides_with(self.backend.name()) != Hides::Nothing && lasts
        })
    }

    pub(super) fn lasts_for_good(&self) -> bool {
        self.fault.is_some_and(|fault| fault.when == When::ForGood)
    }

    /// Waits until each thread of a new watcher waits.
    fn all_threads_wait(&self, before: Waits) {
        until("the watcher's threads wait", || {
            let now = self.board.waits();
            let (epoll, bell) = (now.epoll > before.epoll, now.bell > before.bell);
            match self.backend.name() {
                "pidfd" => epoll,
                "sigchld" => bell,
                "fallback" => epoll && bell,
                _driven => now.polls > before.polls,
            }
        });
    }

    /// Waits until the thread that runs callbacks has begun to wait since.
    pub(super) fn waits_again(&self, before: Waits) {
        let failed = self.board.failed();
        until("the watcher's thread waits", || {
            let now = self.board.waits();
            match self.backend.name() {
                "pidfd" | "fallback" => now.epoll > before.epoll,
                "sigchld" => now.bell > before.bell,
                // After a look that was refused, a drive does not wait.
                _driven => now.polls > before.polls || self.board.failed() > failed,
            }
        });
    }

    #[track_caller]
    pub(super) fn kind(&self, error: &WatchError, pid: Option<Pid>) -> &'static str {
        let errno = self.fault.map_or(Errno::CANCELED, |fault| fault.errno);
        clear_kind(error, pid, errno)
    }
}
