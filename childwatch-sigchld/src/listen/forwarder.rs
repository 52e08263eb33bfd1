//! [`Forwarder`]: for programs that own `SIGCHLD` themselves.

use std::fmt;
use std::sync::Arc;

use super::inbox::Inbox;

/// Passes `SIGCHLD` on to a watcher that has no handler of its own.
///
/// A program that receives `SIGCHLD` through its own handler, through `signalfd` or
/// through `sigwaitinfo` takes one from
/// [`SigchldWatcher::with_forwarder`](crate::SigchldWatcher::with_forwarder) and calls it
/// for every `SIGCHLD` that it receives. The watcher then changes no disposition, no mask
/// and no flag of the signal.
///
/// Every method is async-signal-safe, so a handler may call it. Calls after the watcher
/// has been dropped do nothing. A forwarder holds no file descriptor and no thread.
///
/// If the program forwards a signal late, the exit is reported late. If it forwards none,
/// the watcher finds the exit by its heartbeat, within about a second.
///
/// # Examples
///
/// ```
/// use std::process::Command;
/// use childwatch_sigchld::{Pid, PidWatcherExt, SigchldWatcher};
///
/// let (watcher, forwarder) = SigchldWatcher::with_forwarder()?;
/// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
/// let pid = Pid::from(&child);
/// let exited = watcher.exited(pid)?;
///
/// // Where the program receives SIGCHLD, in a handler or after a read of a signalfd:
/// forwarder.notify();
///
/// let exit = watcher.wait_timeout(pid, std::time::Duration::from_secs(60))?;
/// assert_eq!(exit.unwrap().status().unwrap().code(), Some(3));
/// # drop(exited);
/// child.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Forwarder {
    inbox: Arc<Inbox>,
}

impl Forwarder {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Forwarder { inbox }
    }

    /// Tells the watcher that a `SIGCHLD` has come.
    ///
    /// The watcher then looks at all of its children. If the signal's `siginfo` is available,
    /// [`notify_child`](Self::notify_child) lets the watcher look at the right child first.
    pub fn notify(&self) {
        self.deliver(&Inbox::signal_unknown);
    }

    /// Tells the watcher that a `SIGCHLD` has come, with three fields of its `siginfo`.
    ///
    /// `pid`, `code` and `status` are `si_pid`, `si_code` and `si_status` of a `siginfo_t`,
    /// or `ssi_pid`, `ssi_code` and `ssi_status` of a `signalfd_siginfo`. If the child has
    /// been reaped before the watcher looks, its status comes from here.
    pub fn notify_child(&self, pid: i32, code: i32, status: i32) {
        self.deliver(&|inbox: &Inbox| inbox.signal(pid, code, status));
    }

    /// The watcher waits until a delivery has ended.
    ///
    /// `signal` is borrowed, because an unoptimised program would copy a closure by an instruction that
    /// needs an aligned stack. QEMU (7.2) lets handlers of x86-64 begin on a stack that is not.
    fn deliver(&self, signal: &impl Fn(&Inbox)) {
        self.inbox.begin_delivery();
        signal(&self.inbox);
        self.inbox.end_delivery();
    }
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    /// The program's handler, which calls it, may run on an alternate stack. No callback may end the
    /// process meanwhile.
    #[test]
    fn the_watcher_waits_for_a_signal_that_is_being_passed_on() {
        const LONG: Duration = Duration::from_secs(20);
        let notify: [fn(&Forwarder); 2] = [Forwarder::notify, |forwarder| {
            forwarder.notify_child(7, libc::CLD_EXITED, 0);
        }];
        for notify in notify {
            let inbox = Arc::new(Inbox::new());
            inbox.open();
            let forwarder = Forwarder::new(Arc::clone(&inbox));
            let is_over = &AtomicBool::new(false);
            let is_seen = thread::scope(|scope| {
                scope.spawn(move || {
                    while !is_over.load(Ordering::SeqCst) {
                        notify(&forwarder);
                    }
                });
                let start = Instant::now();
                let mut is_seen = false;
                while !is_seen && start.elapsed() < LONG {
                    is_seen = inbox.is_delivering();
                    thread::yield_now();
                }
                is_over.store(true, Ordering::SeqCst);
                is_seen
            });
            assert!(is_seen);
            assert!(!inbox.is_delivering(), "it has returned");
        }
    }

    #[test]
    fn a_delivery_lasts_until_its_signal_has_been_taken_in() {
        let inbox = Arc::new(Inbox::new());
        let forwarder = Forwarder::new(Arc::clone(&inbox));
        forwarder.deliver(&|inbox: &Inbox| assert!(inbox.is_delivering()));
        assert!(!inbox.is_delivering());
    }

    /// The signal of an exit may have been merged into it.
    #[test]
    fn a_signal_that_reports_no_exit_is_passed_on_too() {
        let inbox = Arc::new(Inbox::new());
        inbox.open();
        let forwarder = Forwarder::new(Arc::clone(&inbox));
        for code in [libc::CLD_STOPPED, libc::CLD_CONTINUED, libc::SI_USER] {
            let before = inbox.epoch();
            forwarder.notify_child(7, code, libc::SIGSTOP);
            assert_ne!(inbox.epoch(), before);
            assert_eq!(inbox.pop_hint(), None);
        }
    }
}
