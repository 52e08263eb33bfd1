//! [`Spilled`]: which source watches which process, and [`check_alike`]: whether two sources can share
//! them.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::PoisonError;

use crate::contract::error::{WatchError, not_offered};
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::engine::events;
use crate::platform::sync::atomic::{AtomicUsize, Ordering};
use crate::platform::sync::{Mutex, MutexGuard};
use crate::source::exit_source::ExitSource;
use crate::source::report::Report;
use crate::source::token::Token;

/// Otherwise a callback would mean an exit or a reaping, depending on the descriptors that are left.
pub(super) fn check_alike(
    primary: &impl ExitSource,
    secondary: &impl ExitSource,
) -> Result<(), WatchError> {
    if primary.awaits_reaping() == secondary.awaits_reaping() {
        Ok(())
    } else {
        Err(not_offered(
            "exits from one source and reapings from the other",
            None,
        ))
    }
}

/// The tokens that the secondary has armed.
#[derive(Default)]
pub(super) struct Spilled {
    /// Nothing else is locked under it, and nothing is called.
    tokens: Mutex<HashSet<Token>>,
    /// If it is zero, as usual, no lock is needed.
    len: AtomicUsize,
}

impl Spilled {
    pub(super) fn arm(
        &self,
        primary: &impl ExitSource,
        secondary: &impl ExitSource,
        pid: Pid,
        token: Token,
    ) -> Result<(), WatchError> {
        let primarys = match primary.arm(pid, token) {
            Err(error @ (WatchError::ResourceLimit { .. } | WatchError::Unsupported { .. })) => {
                error
            }
            armed_or_refused => return armed_or_refused,
        };
        match secondary.arm(pid, token) {
            Ok(()) => {}
            Err(WatchError::NotAChild { .. }) => return Err(primarys),
            Err(other) => return Err(other),
        }
        // The engine asks about a token, and disarms it, only after this call. So a process
        // that is refused, also by a panic, is never counted.
        self.insert(token);
        events::spilled(pid, &primarys);
        Ok(())
    }

    pub(super) fn disarm(
        &self,
        primary: &impl ExitSource,
        secondary: &impl ExitSource,
        token: Token,
    ) {
        if self.remove(token) {
            secondary.disarm(token);
        } else {
            primary.disarm(token);
        }
    }

    pub(super) fn is_reaped(
        &self,
        primary: &impl ExitSource,
        secondary: &impl ExitSource,
        token: Token,
    ) -> bool {
        if self.contains(token) {
            secondary.is_reaped(token)
        } else {
            primary.is_reaped(token)
        }
    }

    pub(super) fn look(
        &self,
        primary: &impl ExitSource,
        secondary: &impl ExitSource,
        token: Token,
    ) -> Option<Report> {
        if self.contains(token) {
            secondary.look(token)
        } else {
            primary.look(token)
        }
    }

    pub(super) fn pidfd(
        &self,
        primary: &impl ExitSource,
        secondary: &impl ExitSource,
        pid: Pid,
        token: Token,
    ) -> Result<OwnedFd, WatchError> {
        if self.contains(token) {
            secondary.pidfd(pid, token)
        } else {
            primary.pidfd(pid, token)
        }
    }

    pub(super) fn send_signal(
        &self,
        primary: &impl ExitSource,
        secondary: &impl ExitSource,
        pid: Pid,
        token: Token,
        signal: i32,
    ) -> Result<(), WatchError> {
        if self.contains(token) {
            secondary.send_signal(pid, token, signal)
        } else {
            primary.send_signal(pid, token, signal)
        }
    }

    pub(super) fn add_stats(
        &self,
        primary: &impl ExitSource,
        secondary: &impl ExitSource,
        stats: &mut WatcherStats,
    ) {
        primary.add_stats(stats);
        secondary.add_stats(stats);
        stats.watched_by_secondary = Some(self.len() as u64);
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    fn insert(&self, token: Token) {
        let mut tokens = self.tokens();
        tokens.insert(token);
        self.len.store(tokens.len(), Ordering::SeqCst);
    }

    /// Removes a token. Returns `true` if it was in the set. A caller got the token after its
    /// insertion. So a length of zero, read without the lock, means that the token is not in
    /// the set.
    fn remove(&self, token: Token) -> bool {
        if self.len.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let mut tokens = self.tokens();
        let was_there = tokens.remove(&token);
        self.len.store(tokens.len(), Ordering::SeqCst);
        was_there
    }

    fn contains(&self, token: Token) -> bool {
        self.len.load(Ordering::SeqCst) != 0 && self.tokens().contains(&token)
    }

    fn tokens(&self) -> MutexGuard<'_, HashSet<Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
