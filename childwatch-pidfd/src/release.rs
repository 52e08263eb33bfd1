//! [`Releases`]: children that are being reaped while the watcher looks.
//!
//! The kernel ends a process in steps:
//!
//! | step | by | `waitid` | `PIDFD_GET_INFO` | edge |
//! |---|---|---|---|---|
//! | 1. The process becomes a zombie. | the process | its status | no status yet | `EPOLLIN` |
//! | 2. The process is marked as dead. | the reaper, or the process itself | `ECHILD` | no status yet | |
//! | 3. Its status is stored. | the same thread as 2 | `ECHILD` | its status | |
//! | 4. It leaves the table of processes. | the same thread as 2 | `ECHILD` | its status | `EPOLLHUP` |
//!
//! The process itself takes steps 2 to 4 if its parent does not wait for children: `SIGCHLD`
//! is ignored, the handler has `SA_NOCLDWAIT`, or the child was made with `CLONE_AUTOREAP`
//! (Linux 7.1). Steps 1 and 2 are then one step, under one lock.
//!
//! The look after the first edge may come between steps 2 and 3. `waitid` then fails with
//! `ECHILD`, and `PIDFD_GET_INFO` names this process as the parent, without a status. That
//! is [`BeingReleased`](crate::zombie::Zombie::BeingReleased). Such a child stays armed, and
//! the edge of step 4 leads to its report.
//!
//! # Why the edge of step 4 always follows
//!
//! 1. The answer names this process as the parent. So the child was this process's child
//!    at that time, and still is: no other process becomes its parent while this one
//!    lives. A pid in the answer is one of this process's pid namespace, as our own is. A
//!    child of another thread of ours has the same parent.
//! 2. `waitid` fails with `ECHILD` for a child of ours only after step 2. The thread that
//!    has taken step 2 takes step 4 inside the same system call, and no signal interrupts it
//!    there.
//! 3. A process that has taken step 4 has no parent in the answer. So step 4 comes after
//!    the answer. The event that led to the look was taken before it, so the edge of
//!    step 4 is a new one.
//! 4. Step 4 makes an edge since Linux 6.9, and the ioctl exists since 6.13. On an older
//!    kernel the ioctl fails, and the exit is reported at once without a status.
//! 5. After step 4 the ioctl returns the status. On 6.13 and 6.14 it fails. Both end the
//!    wait.
//!
//! Step 2 of the argument does not hold in one case: the process was not our child at the
//! time of `waitid`, and is adopted before the ioctl, because we are a subreaper or process 1.
//! Then the kernel notifies the new parent of the zombie, and this is an edge too.
//!
//! A tracer changes nothing. While it holds the zombie, `waitid` returns nothing, and an edge
//! follows when the tracer lets the zombie go. If the parent ignores the zombie then, the
//! thread of the tracer takes steps 2 to 4.
//!
//! The zombie of another parent is reported at once, without a status, because that parent
//! may never reap it.
//!
//! A sandbox may answer `ECHILD` for a child that has not been reaped. So the wait ends after
//! two seconds, and the exit is reported without a status. Linux alone needs no such limit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use childwatch_core::source::Token;

/// How long a child may be in release before its exit is reported without a status.
/// The kernel takes microseconds, or longer if the thread that releases the child does not
/// get a processor.
const RELEASE_DEADLINE: Duration = Duration::from_secs(2);

/// The children that are being released.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    /// Each with the time at which the wait for it ends, the earliest first.
    waiting: VecDeque<(Token, Instant)>,
}

impl Releases {
    /// Notes that a child is being released. If that was noted before, the deadline stays.
    pub(crate) fn begin(&mut self, token: Token) {
        if self.position(token).is_none() {
            self.waiting
                .push_back((token, Instant::now() + RELEASE_DEADLINE));
        }
    }

    /// A child's exit is reported.
    pub(crate) fn end(&mut self, token: Token) {
        if let Some(position) = self.position(token) {
            self.waiting.remove(position);
        }
    }

    /// The time until the next deadline; `None` if no child is being released.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let (_, deadline) = self.waiting.front()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Takes out a child whose deadline has passed.
    pub(crate) fn take_overdue(&mut self) -> Option<Token> {
        let (_, deadline) = self.waiting.front()?;
        if Instant::now() < *deadline {
            return None;
        }
        self.waiting.pop_front().map(|(token, _)| token)
    }

    /// As [`begin`](Self::begin), with a deadline that has passed.
    #[cfg(test)]
    pub(crate) fn begin_overdue(&mut self, token: Token) {
        self.waiting.push_front((token, Instant::now()));
    }

    fn position(&self, token: Token) -> Option<usize> {
        self.waiting
            .iter()
            .position(|(waiting, _)| *waiting == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(index: u32) -> Token {
        Token::from_parts(index, 1)
    }

    #[test]
    fn a_reported_child_is_waited_for_no_longer() {
        let mut releases = Releases::default();
        assert_eq!(releases.time_left(), None);
        releases.begin(token(1));
        releases.begin(token(2));
        let before = releases.waiting.clone();
        releases.begin(token(1));
        assert_eq!(releases.waiting, before, "its deadline stays");
        assert!(releases.time_left() <= Some(RELEASE_DEADLINE));
        assert_eq!(releases.take_overdue(), None);
        releases.end(token(1));
        releases.end(token(3));
        releases.end(token(2));
        assert_eq!(releases.time_left(), None);
    }

    #[test]
    fn the_overdue_are_taken_out_one_by_one() {
        let mut releases = Releases::default();
        releases.begin(token(1));
        releases.begin(token(2));
        releases.begin(token(3));
        let now = Instant::now();
        releases.waiting[0].1 = now;
        releases.waiting[1].1 = now;
        assert_eq!(releases.time_left(), Some(Duration::ZERO));
        assert_eq!(releases.take_overdue(), Some(token(1)));
        assert_eq!(releases.take_overdue(), Some(token(2)));
        assert_eq!(releases.take_overdue(), None);
        assert_eq!(releases.waiting.len(), 1);
    }
}
