//! [`ArmedTable`]: the armed pidfds. A pidfd is looked at without the lock of the table.
//!
//! # How a pidfd stays open during a look
//!
//! A look borrows the pidfd: it takes the pidfd out of its entry under the lock, makes its system
//! calls without the lock, and puts the pidfd back. The table cannot close what it does not have.
//! So the pidfd stays open, and its number cannot go to another file.
//!
//! # Who waits for whom
//!
//! 1. `insert` waits for no look, so arming never waits for a system call of another thread.
//! 2. A second look at the same process, and its removal, wait until the pidfd is back. Looks at
//!    different processes run at one time.
//! 3. A thread has borrowed one pidfd at most. Meanwhile it makes some calls that do not block,
//!    and waits for nothing. So there is no circle of waits.
//!
//! On the usual path no thread waits. Then no thread is notified, and an uncontended lock makes no
//! system call.
//!
//! # What this means for disarming
//!
//! Because a removal waits for the look at its process, nothing is left for the thread that looks.
//!
//! - S3, C8, C9, C12: when `disarm` returns, the pidfd is closed. The look has ended before, and
//!   has found the process that was armed, so its report is true.
//! - C15: if a copy is forked during a look, the copy has an entry without a pidfd, for ever. No call
//!   in a copy reaches the entry, because each call asks for the origin first, and `Drop` leaves the
//!   table as it is. The pidfd stays open in the copy, as all others do.

use std::sync::PoisonError;

use childwatch_core::source::{Token, TokenTable};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// The armed pidfds, by their tokens. `A` is a pidfd with what is known of it, so that a model can
/// have another one.
#[derive(Debug)]
pub(crate) struct ArmedTable<A> {
    /// While it is locked, nothing is called but the table and the allocator.
    state: Mutex<State<A>>,
    /// Signalled when a pidfd is back and a thread waits for one.
    returned: Condvar,
}

#[derive(Debug)]
struct State<A> {
    /// `None` while a look has borrowed it.
    entries: TokenTable<Option<A>>,
    /// How many threads wait on `returned`.
    waiting: usize,
}

impl<A> ArmedTable<A> {
    pub(crate) fn new() -> Self {
        ArmedTable {
            state: Mutex::new(State {
                entries: TokenTable::new(),
                waiting: 0,
            }),
            returned: Condvar::new(),
        }
    }

    pub(crate) fn insert(&self, token: Token, armed: A) {
        let former = self.lock().entries.insert(token, Some(armed));
        // Without the lock. The engine never uses the index of an armed token for another one.
        drop(former);
    }

    /// Returns the token that is armed at an index.
    pub(crate) fn token_at(&self, index: u32) -> Option<Token> {
        let state = self.lock();
        state.entries.at(index).map(|(token, _)| token)
    }

    /// Lends what is armed under `token` to `look`. Returns `None` if the token is not armed.
    pub(crate) fn look<R>(&self, token: Token, look: impl FnOnce(&mut A) -> R) -> Option<R> {
        let mut borrowed = Borrowed {
            table: self,
            token,
            armed: self.lock_when_back(token).entries.get_mut(token)?.take(),
        };
        borrowed.armed.as_mut().map(look)
    }

    /// Removes what is armed under `token`, and returns it. Waits for a look that has borrowed it.
    pub(crate) fn remove(&self, token: Token) -> Option<A> {
        self.lock_when_back(token).entries.remove(token)?
    }

    /// Holds up every other call until the answer is dropped.
    #[cfg(test)]
    pub(crate) fn hold_up(&self) -> impl Sized + '_ {
        self.lock()
    }

    /// Locks the table at a time at which no look has borrowed the pidfd of `token`.
    fn lock_when_back(&self, token: Token) -> MutexGuard<'_, State<A>> {
        let mut state = self.lock();
        while state.entries.get(token).is_some_and(Option::is_none) {
            state.waiting += 1;
            let woken = self.returned.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look has borrowed. It goes back when this is dropped, so also after a panic.
struct Borrowed<'a, A> {
    table: &'a ArmedTable<A>,
    token: Token,
    armed: Option<A>,
}

impl<A> Drop for Borrowed<'_, A> {
    fn drop(&mut self) {
        let mut state = self.table.lock();
        // The entry is there: it is removed only with its pidfd.
        if let Some(entry) = state.entries.get_mut(self.token) {
            *entry = self.armed.take();
        }
        let is_awaited = state.waiting != 0;
        drop(state);
        if is_awaited {
            self.table.returned.notify_all();
        }
    }
}

#[cfg(not(childwatch_loom))]
#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread::{self, ScopedJoinHandle};
    use std::time::Duration;

    use super::*;

    /// Open as long as anything owns it, and whether the exit has been confirmed.
    type Pidfd = (Arc<()>, bool);

    const TOKEN: Token = Token::from_parts(0, 0);
    const OTHER: Token = Token::from_parts(1, 0);

    /// Far more than a call takes, on a busy machine too.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn table() -> ArmedTable<Pidfd> {
        let table = ArmedTable::new();
        table.insert(TOKEN, (Arc::new(()), false));
        table
    }

    /// Runs `meanwhile` during a look at `TOKEN`.
    fn during_a_look(table: &ArmedTable<Pidfd>, meanwhile: impl FnOnce()) {
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                table.look(TOKEN, |(pidfd, _)| {
                    begun.send(()).unwrap();
                    // Until `end` is dropped.
                    let _ = may_end.recv();
                    assert_eq!(Arc::strong_count(pidfd), 1);
                })
            });
            has_begun.recv().unwrap();
            meanwhile();
            drop(end);
        });
    }

    fn wait_until_it_waits<T>(table: &ArmedTable<Pidfd>, thread: &ScopedJoinHandle<'_, T>) {
        while table.lock().waiting == 0 {
            assert!(!thread.is_finished(), "it does not wait");
            thread::yield_now();
        }
    }

    #[test]
    fn neither_an_insertion_nor_another_look_waits_for_a_look() {
        let table = &table();
        thread::scope(|scope| {
            let (done, is_done) = mpsc::channel();
            during_a_look(table, || {
                scope.spawn(move || {
                    table.insert(OTHER, (Arc::new(()), false));
                    let found = table.look(OTHER, |_| ());
                    done.send((found, table.remove(OTHER))).unwrap();
                });
                let (found, removed) = is_done.recv_timeout(PATIENCE).expect("it waits");
                assert_eq!(found, Some(()));
                assert_eq!(removed, Some((Arc::new(()), false)));
            });
        });
    }

    #[test]
    fn a_pidfd_is_open_during_a_look_and_removed_after_it() {
        let table = &table();
        thread::scope(|scope| {
            let mut removing = None;
            during_a_look(table, || {
                let thread = scope.spawn(|| table.remove(TOKEN));
                wait_until_it_waits(table, &thread);
                removing = Some(thread);
            });
            let (pidfd, _) = removing.unwrap().join().unwrap().unwrap();
            assert_eq!(Arc::strong_count(&pidfd), 1);
            assert!(Arc::into_inner(pidfd).is_some(), "nothing else has it");
        });
        assert!(table.lock().entries.is_empty());
        assert_eq!(table.look(TOKEN, |_| ()), None);
    }

    /// The end of each other look wakes every waiter.
    #[test]
    fn a_removal_waits_while_others_look() {
        let table = &table();
        table.insert(OTHER, (Arc::new(()), false));
        thread::scope(|scope| {
            let mut removing = None;
            during_a_look(table, || {
                let thread = scope.spawn(|| table.remove(TOKEN));
                wait_until_it_waits(table, &thread);
                // Enough for the thread to run in between.
                for _ in 0..1_000 {
                    table.look(OTHER, |_| ());
                    thread::yield_now();
                }
                removing = Some(thread);
            });
            let removed = removing.unwrap().join().unwrap();
            assert!(removed.is_some(), "it has waited for the look");
        });
    }

    #[test]
    fn a_second_look_at_a_process_waits_for_the_first() {
        let table = &table();
        thread::scope(|scope| {
            let mut looking = None;
            during_a_look(table, || {
                let thread = scope.spawn(|| table.look(TOKEN, |_| ()));
                wait_until_it_waits(table, &thread);
                looking = Some(thread);
            });
            assert_eq!(looking.unwrap().join().unwrap(), Some(()));
        });
    }

    #[test]
    fn what_a_look_has_found_is_kept() {
        let table = table();
        table.look(TOKEN, |(_, has_exited)| *has_exited = true);
        assert_eq!(table.look(TOKEN, |(_, has_exited)| *has_exited), Some(true));
        assert!(table.remove(TOKEN).unwrap().1);
    }

    #[test]
    fn a_look_that_panics_gives_the_pidfd_back() {
        let table = table();
        let look = || table.look(TOKEN, |_| panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(look)).is_err());
        assert!(table.remove(TOKEN).is_some());
    }
}
