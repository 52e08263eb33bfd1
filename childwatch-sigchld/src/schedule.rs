//! [`Schedule`]: what is due, and when.
//!
//! It decides and keeps count. It asks the kernel for nothing.
//!
//! A *sweep* looks at every armed child that has not been reported. A sweep is due when signals
//! have come that no sweep has answered. Another one is due at each *heartbeat*, whether
//! signals come or not. A sweep is made in chunks, so that hints wait for a chunk and not for
//! a sweep.
//!
//! # The constants, and what each trades
//!
//! | constant | value | more of it means | less of it means |
//! |---|---|---|---|
//! | [`CHUNK`] | 64 children, about 40 µs | hints wait longer | more locking |
//! | [`CHECKS`] | 16 starts a heartbeat, about 20 µs each | heartbeats come less often | reused pids are noticed later |
//! | [`SWEEP_SHARE`] | 1/20 of a core | processor time while exits keep coming | merged exits are reported later |
//! | [`LONGEST_COLLECT`] | 1 ms, without a thread | the program's loop waits for a sweep | a sweep takes more turns of the loop |
//! | [`HEARTBEAT_SHARE`] | 1/1000 of a core | processor time while idle | exits without a signal are reported later |
//! | [`HEARTBEAT`] | 1 s | exits without a signal are reported later | more wake-ups of an idle program |

use std::time::Duration;

use childwatch_core::source::Token;

/// Children that a sweep looks at between two batches of hints. In a model a chunk is one child, so
/// that sweeps have several.
pub(crate) const CHUNK: usize = if cfg!(childwatch_loom) { 1 } else { 64 };

/// How many starts a heartbeat compares. To compare a start takes as long as thirty looks, because it
/// reads `/proc`. With too many of them, a few hundred children would make heartbeats rare.
const CHECKS: usize = if cfg!(childwatch_loom) { 1 } else { 16 };

/// After a sweep, the next one for signals waits so many times the processor time of the
/// looks that found nothing.
pub(crate) const SWEEP_SHARE: u32 = 20;

/// How long a watcher without a thread goes on with a sweep before it returns to the program.
pub(crate) const LONGEST_COLLECT: Duration = Duration::from_millis(1);

/// After a heartbeat, the next one waits at least so many times the processor time of the looks that
/// found nothing.
const HEARTBEAT_SHARE: u32 = 1_000;

/// The shortest time between two heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// All times are of [`clock::monotonic`](childwatch_core::source::clock::monotonic).
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Every exit whose signal belongs to this epoch, or to one before, has been
    /// reported.
    answered: u32,
    sweep: Option<Sweep>,
    /// When the next sweep for signals may begin.
    next_sweep: Duration,
    /// `None` if there are no heartbeats, which is for tests alone.
    next_heartbeat: Option<Duration>,
    /// The index from which on the next heartbeat compares starts.
    next_check: u32,
}

/// A sweep that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sweep {
    /// The epoch that the sweep answers: that before its first look.
    epoch: u32,
    /// The index at which the sweep goes on.
    cursor: u32,
    is_heartbeat: bool,
    /// How many starts are still to be compared.
    checks_left: usize,
    looks: usize,
    found: usize,
    cost: Duration,
    cost_in_vain: Duration,
}

/// A sweep that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) looks: usize,
    pub(crate) found: usize,
    /// Processor time.
    pub(crate) cost: Duration,
}

/// The result of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) looks: usize,
    pub(crate) found: usize,
    /// Processor time.
    pub(crate) cost: Duration,
    /// Where the sweep goes on. `None` at its end.
    pub(crate) cursor: Option<u32>,
}

impl Schedule {
    pub(crate) fn new(now: Duration) -> Self {
        Schedule {
            answered: 0,
            sweep: None,
            next_sweep: now,
            next_heartbeat: Some(now + HEARTBEAT),
            next_check: 0,
        }
    }

    /// A schedule without heartbeats. An exit that no signal reports is not found.
    ///
    /// It is for tests, because a heartbeat finds within a second what a fault has lost.
    pub(crate) fn without_heartbeat(now: Duration) -> Self {
        Schedule {
            next_heartbeat: None,
            ..Self::new(now)
        }
    }

    /// Nothing is armed any more. The next heartbeat comes a full interval after this, or
    /// after the last call.
    pub(crate) fn mark_idle(&mut self, now: Duration) {
        self.sweep = None;
        self.postpone_heartbeat(now + HEARTBEAT);
    }

    fn postpone_heartbeat(&mut self, moment: Duration) {
        if let Some(next) = &mut self.next_heartbeat {
            *next = moment;
        }
    }

    /// Returns how long to rest before a chunk is due: zero if one is due now.
    /// `epoch` is that of the last signal.
    pub(crate) fn rest(&self, now: Duration, epoch: u32) -> Duration {
        if self.sweep.is_some() {
            return Duration::ZERO;
        }
        let sweep = (epoch != self.answered).then_some(self.next_sweep);
        let due = sweep.into_iter().chain(self.next_heartbeat).min();
        due.map_or(Duration::MAX, |due| due.saturating_sub(now))
    }

    /// Begins the sweep that is due, unless one has begun, and returns the index at which
    /// its next chunk begins. `epoch` must have been read before this call.
    pub(crate) fn begin_chunk(&mut self, now: Duration, epoch: u32) -> u32 {
        let is_heartbeat = self.next_heartbeat.is_some_and(|next| now >= next);
        let sweep = self.sweep.get_or_insert(Sweep {
            epoch,
            cursor: 0,
            is_heartbeat,
            checks_left: if is_heartbeat { CHECKS } else { 0 },
            looks: 0,
            found: 0,
            cost: Duration::ZERO,
            cost_in_vain: Duration::ZERO,
        });
        sweep.cursor
    }

    /// Returns `true` if this child's start is to be compared in the chunk that has begun.
    /// The heartbeats take turns over all children.
    pub(crate) fn take_check(&mut self, token: Token) -> bool {
        let Some(sweep) = &mut self.sweep else {
            return false;
        };
        let is_its_turn = sweep.checks_left > 0 && token.index() >= self.next_check;
        if is_its_turn {
            sweep.checks_left -= 1;
            self.next_check = token.index().saturating_add(1);
        }
        is_its_turn
    }

    /// Ends the chunk that has begun. Returns the sweep if this was its last chunk.
    pub(crate) fn end_chunk(&mut self, now: Duration, chunk: &Chunk) -> Option<Swept> {
        let sweep = self.sweep.as_mut()?;
        sweep.looks += chunk.looks;
        sweep.found += chunk.found;
        sweep.cost += chunk.cost;
        sweep.cost_in_vain += chunk.cost_in_vain();
        if let Some(cursor) = chunk.cursor {
            sweep.cursor = cursor;
            return None;
        }
        let sweep = *sweep;
        self.sweep = None;
        self.answered = sweep.epoch;
        self.next_sweep = now + sweep.cost_in_vain * SWEEP_SHARE;
        if sweep.is_heartbeat {
            self.postpone_heartbeat(now + HEARTBEAT.max(sweep.cost_in_vain * HEARTBEAT_SHARE));
            if sweep.checks_left > 0 {
                // The end was reached, so the next heartbeat begins with the first child.
                self.next_check = 0;
            }
        }
        Some(Swept {
            looks: sweep.looks,
            found: sweep.found,
            cost: sweep.cost,
        })
    }
}

impl Chunk {
    /// A look that finds an exit is not charged. Each child exits once, so there cannot be many
    /// such looks. If a heartbeat finds many exits, few children may be left. Their exits must not wait
    /// for a time that the others have cost.
    fn cost_in_vain(&self) -> Duration {
        let in_vain = self.looks.saturating_sub(self.found);
        match u32::try_from(self.looks) {
            Ok(looks @ 1..) => self.cost / looks * u32::try_from(in_vain).unwrap_or(looks),
            _ => self.cost,
        }
    }
}

#[cfg(test)]
mod tests;
