//! [`Children`]: whom a watcher watches in a trial.

use std::sync::{Arc, Mutex};

use childwatch_core::{ExitCallback, Pid};

use super::board::{Board, Waits};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::child::{End, GatedChild};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::probe::Probe;

/// A watched child, and the reports of its exit.
pub(super) struct Watched {
    pub(super) child: Box<dyn GatedChild>,
    pub(super) code: u8,
    pub(super) probe: Probe,
    waits: Arc<Mutex<Waits>>,
    pub(super) is_registered: bool,
}

/// All the children of a life; they are there before the watcher.
pub(super) struct Children {
    /// Registered and held.
    pub(super) held: Watched,
    pub(super) told: [Watched; 3],
    /// The program reaps it before the watcher can look.
    pub(super) reaped_first: Watched,
    /// Their callbacks are unregistered.
    pub(super) unregistered: [Watched; 3],
    /// They outlive the watcher.
    pub(super) never: [Watched; 2],
    /// Comes when the fault is over.
    pub(super) fresh: Watched,
    /// A number that is no process's any more.
    pub(super) gone: Pid,
}

impl Children {
    pub(super) fn of(backend: &dyn BackendUnderTest) -> Self {
        let nursery = backend.nursery();
        let mut code = 20;
        let mut newcomer = || {
            code += 1;
            Watched {
                child: nursery.spawn(),
                code,
                probe: Probe::new(),
                waits: Arc::default(),
                is_registered: false,
            }
        };
        let mut gone = nursery.spawn();
        gone.die(End::Code(0));
        gone.reap();
        Children {
            held: newcomer(),
            told: [(); 3].map(|()| newcomer()),
            reaped_first: newcomer(),
            unregistered: [(); 3].map(|()| newcomer()),
            never: [(); 2].map(|()| newcomer()),
            fresh: newcomer(),
            gone: gone.pid(),
        }
    }

    pub(super) fn are_registered(&self) -> bool {
        let Children {
            unregistered,
            never,
            ..
        } = self;
        let mut all = self.to_be_told().chain(unregistered).chain(never);
        all.all(|child| child.is_registered)
    }

    pub(super) fn to_be_told(&self) -> impl Iterator<Item = &Watched> {
        self.told.iter().chain([&self.held, &self.reaped_first])
    }
}

impl Watched {
    /// C7: the status is there for the program.
    #[track_caller]
    pub(super) fn reap_and_check(&mut self) {
        let status = self.child.reap().expect("a child that nobody has reaped");
        assert_eq!(status.code(), Some(self.code.into()));
    }

    /// How often the watcher had begun to wait when it told.
    pub(super) fn waits(&self) -> Waits {
        *lock(&self.waits)
    }

    pub(super) fn callback(
        &self,
        board: &Arc<Board>,
        body: impl FnOnce() + Send + 'static,
    ) -> ExitCallback {
        let (board, waits) = (Arc::clone(board), Arc::clone(&self.waits));
        self.probe.callback_then(move |_| {
            *lock(&waits) = board.waits();
            body();
        })
    }
}
