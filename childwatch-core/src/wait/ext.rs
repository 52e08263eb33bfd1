//! [`PidWatcherExt`]: conveniences over any [`PidWatcher`].

#![expect(unsafe_code, reason = "`fork_watchable` is unsafe to call")]

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

use crate::contract::callback::WatchHandle;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::wait::exited::Exited;
use crate::wait::guard::WatchGuard;
use crate::wait::spawn;

/// Conveniences that every [`PidWatcher`] has, `dyn PidWatcher` too.
pub trait PidWatcherExt: PidWatcher {
    /// Runs a closure when the process has exited. As [`watch`](PidWatcher::watch), without the
    /// box.
    ///
    /// # Errors
    ///
    /// As [`watch`](PidWatcher::watch).
    fn on_exit(
        &self,
        pid: Pid,
        callback: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<WatchHandle, WatchError> {
        self.watch(pid, Box::new(callback))
    }

    /// Runs a closure when the process of a pidfd has exited. As
    /// [`watch_pidfd`](PidWatcher::watch_pidfd), without the box. The pidfd stays the caller's.
    ///
    /// # Errors
    ///
    /// As [`watch_pidfd`](PidWatcher::watch_pidfd).
    fn on_pidfd_exit(
        &self,
        pidfd: impl AsFd,
        callback: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<WatchHandle, WatchError> {
        self.watch_pidfd(pidfd.as_fd(), Box::new(callback))
    }

    /// As [`on_exit`](Self::on_exit), until the guard is dropped. After that, the data that the
    /// closure uses may go.
    ///
    /// # Errors
    ///
    /// As [`watch`](PidWatcher::watch).
    fn watch_guard(
        &self,
        pid: Pid,
        callback: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<WatchGuard<'_, Self>, WatchError> {
        let handle = self.on_exit(pid, callback)?;
        Ok(WatchGuard::new(self, handle))
    }

    /// Returns the exit as a future, for any executor. If the watcher is dropped first, the
    /// future resolves to `None`. Dropping the future unregisters its callback.
    ///
    /// # Errors
    ///
    /// As [`watch`](PidWatcher::watch).
    fn exited(&self, pid: Pid) -> Result<Exited, WatchError> {
        Exited::new(self, pid)
    }

    /// Waits for the exit. Returns `None` if `timeout` has passed without one.
    ///
    /// When the time is over, the call looks at the process [once](PidWatcher::try_wait). So it
    /// returns an exit that has happened even with a timeout of zero. It does so also in a
    /// callback of the same watcher, where no other callback can run.
    ///
    /// # Errors
    ///
    /// As [`watch`](PidWatcher::watch).
    fn wait_timeout(&self, pid: Pid, timeout: Duration) -> Result<Option<Exit>, WatchError> {
        let (sender, receiver) = mpsc::channel();
        let handle = self.on_exit(pid, move |exit| {
            // The receiver lives until the callback is unregistered.
            let _ = sender.send(exit);
        })?;
        if let Ok(exit) = receiver.recv_timeout(timeout) {
            return Ok(Some(exit));
        }
        // The look comes before the callback is unregistered, so that it cannot mean another
        // process.
        let found = self.try_wait(pid);
        self.unregister_callback(handle);
        match receiver.try_recv() {
            Ok(exit) => Ok(Some(exit)),
            Err(_) => found,
        }
    }

    /// Spawns a command and [registers](PidWatcher::register_pid) its process.
    ///
    /// The caller still has to wait for the child.
    ///
    /// # A refused child
    ///
    /// If the registration fails, the child is killed and reaped before the error is
    /// returned. A pid that may belong to another process by then is never signalled:
    ///
    /// | the registration fails | the child |
    /// |---|---|
    /// | with [`NoSuchProcess`](WatchError::NoSuchProcess) | has been reaped; no signal is sent |
    /// | otherwise | is killed through a pidfd, which means this child and no other |
    /// | otherwise, and no pidfd can be opened | is killed by its pid |
    /// | the same, and the kernel reaps children | **keeps running**; the error has its pid |
    /// | the child is another user's (setuid) | **keeps running**; the error has its pid |
    ///
    /// The kernel reaps the children of a process that ignores `SIGCHLD` or has set
    /// `SA_NOCLDWAIT`. A child that exits at once may then be gone before it can be
    /// registered (`NoSuchProcess`); `fork_watchable` has no such moment. No pidfd can be
    /// opened before Linux 5.4, in some sandboxes, and when no file descriptor is left.
    ///
    /// In the third row the pid is the child's until a thread of the program reaps it. A
    /// program without pidfds should not reap children that it did not start, as
    /// `waitpid(-1)` does, while another thread spawns.
    ///
    /// # Errors
    ///
    /// The error of [`Command::spawn`], or a [`WatchError`] as the inner error of an
    /// [`io::Error`]. Distinguish them by [`io::Error::get_ref`] and not by
    /// [`kind`](io::Error::kind), because a missing program and a child that is gone are both
    /// [`NotFound`](io::ErrorKind::NotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::{Command, ExitStatus};
    /// use std::os::unix::process::ExitStatusExt;
    /// use childwatch_core::{PidWatcher, PidWatcherExt};
    ///
    /// fn run(watcher: &dyn PidWatcher) -> std::io::Result<ExitStatus> {
    ///     let mut child = watcher.spawn_watchable(Command::new("true").arg("--"))?;
    ///     watcher.unregister_pid((&child).into());
    ///     child.wait()
    /// }
    /// ```
    fn spawn_watchable(&self, command: &mut Command) -> io::Result<Child> {
        spawn::spawn_watchable(self, command)
    }

    /// Forks, and [registers](PidWatcher::register_pid) the child. Only then the child runs
    /// `child`, so it cannot exit before the registration.
    ///
    /// `child` never returns. If it panics, the panic hook prints its message, and the child exits
    /// with code 101. The panic never unwinds into the copy of the parent's stack.
    ///
    /// If the registration fails, the child ends without having run `child`, and is reaped before
    /// the error is returned. It gets no signal. If the child is killed before it is let go, the
    /// parent gets no `SIGPIPE`.
    ///
    /// The call needs two file descriptors, besides those that the registration needs.
    ///
    /// # Errors
    ///
    /// The error of `pipe` or `fork`, or a [`WatchError`] inside an [`io::Error`].
    ///
    /// # Safety
    ///
    /// `child` runs in the forked copy of a process that may have had other threads. Until it
    /// calls `exec` or `_exit`, it may do only what is async-signal-safe (`signal-safety(7)`). A
    /// lock that another thread held at the fork is held for ever in the copy. This includes the
    /// locks of the allocator.
    unsafe fn fork_watchable(&self, child: impl FnOnce() -> Infallible) -> io::Result<Pid> {
        // SAFETY: the caller's promise is this function's own.
        unsafe { spawn::fork_watchable(self, child) }
    }
}

impl<W: PidWatcher + ?Sized> PidWatcherExt for W {}
