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
use crate::wait::exit_set::ExitSet;
use crate::wait::exited::Exited;
use crate::wait::guard::WatchGuard;
use crate::wait::{several, spawn};

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

    /// Adds a closure to a registered process. As
    /// [`register_callback`](PidWatcher::register_callback), without the box.
    ///
    /// # Errors
    ///
    /// As [`register_callback`](PidWatcher::register_callback).
    fn register_on_exit(
        &self,
        pid: Pid,
        callback: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<WatchHandle, WatchError> {
        self.register_callback(pid, Box::new(callback))
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

    /// As [`on_exit`](Self::on_exit), until the guard is dropped.
    ///
    /// A guard is for a callback that works for one part of the program: a request, a connection,
    /// a test. When that part ends, by a return, a `?` or a panic, the guard is dropped. After
    /// that, the callback is not running and will not run, so it finds nothing half torn down.
    ///
    /// The closure is `'static` although the guard borrows the watcher. The guard may be leaked, as
    /// by [`std::mem::forget`], and a leaked guard unregisters nothing. The callback may then run
    /// after the calling function has returned. Therefore it must not borrow from this function.
    /// Share data with the callback by an `Arc` or a channel.
    ///
    /// # Errors
    ///
    /// As [`watch`](PidWatcher::watch).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use std::process::ExitStatus;
    /// use childwatch_core::{PidWatcherExt, SimulatedProcesses, SimulatedWatcher, Unregistered};
    ///
    /// let processes = SimulatedProcesses::new();
    /// let watcher = SimulatedWatcher::new(&processes)?;
    /// let pid = processes.spawn();
    /// let guard = watcher.watch_guard(pid, |exit| println!("{exit}"))?;
    /// // The work that needs the process is here. When it ends, so does the watch.
    /// assert_eq!(guard.unregister(), Unregistered::WillNotRun);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn watch_guard(
        &self,
        pid: Pid,
        callback: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<WatchGuard<'_, Self>, WatchError> {
        let handle = self.on_exit(pid, callback)?;
        Ok(WatchGuard::new(self, handle))
    }

    /// Returns the exit as a future, for any executor. If the watcher is dropped first, the
    /// future resolves to `None`. [`Exited`] says what dropping it does, and polling it again.
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

    /// Creates an empty [`ExitSet`], which waits for several processes at once.
    fn exit_set(&self) -> ExitSet<&Self> {
        ExitSet::new(self)
    }

    /// Waits for the first exit of these processes. Returns `None` if `timeout` has passed without
    /// one, or there are no processes.
    ///
    /// When the time is over, the call looks at each process, as
    /// [`wait_timeout`](Self::wait_timeout) does. Nothing is left behind. To wait for the others
    /// too, use an [`ExitSet`].
    ///
    /// # Errors
    ///
    /// As [`watch`](PidWatcher::watch), if one of the processes is refused;
    /// [`Stopped`](WatchError::Stopped) if the watcher ends during the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use std::process::ExitStatus;
    /// use std::time::Duration;
    /// use childwatch_core::{PidWatcherExt, SimulatedProcesses, SimulatedWatcher};
    ///
    /// let processes = SimulatedProcesses::new();
    /// let watcher = SimulatedWatcher::new(&processes)?;
    /// let pids = [processes.spawn(), processes.spawn()];
    /// processes.exit(pids[1], ExitStatus::from_raw(0));
    /// let first = watcher.wait_first(pids, Duration::from_secs(60))?;
    /// assert_eq!(first.map(|exit| exit.pid()), Some(pids[1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn wait_first(
        &self,
        pids: impl IntoIterator<Item = Pid>,
        timeout: Duration,
    ) -> Result<Option<Exit>, WatchError> {
        several::wait_first(self, pids, timeout)
    }

    /// Waits for the exits of all these processes. If `timeout` passes before, returns those that
    /// have come, so the result is shorter than `pids`.
    ///
    /// The exits have the order in which the watcher has reported them. When the time is over, the
    /// call looks at each process that is left, as [`wait_timeout`](Self::wait_timeout) does.
    /// Nothing is left behind.
    ///
    /// # Errors
    ///
    /// As [`wait_first`](Self::wait_first).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use std::process::ExitStatus;
    /// use std::time::Duration;
    /// use childwatch_core::{PidWatcherExt, SimulatedProcesses, SimulatedWatcher};
    ///
    /// let processes = SimulatedProcesses::new();
    /// let watcher = SimulatedWatcher::new(&processes)?;
    /// let pids = [processes.spawn(), processes.spawn()];
    /// processes.exit(pids[1], ExitStatus::from_raw(0));
    /// assert_eq!(watcher.wait_all(pids, Duration::ZERO)?.len(), 1);
    /// processes.exit(pids[0], ExitStatus::from_raw(0));
    /// assert_eq!(watcher.wait_all(pids, Duration::MAX)?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn wait_all(
        &self,
        pids: impl IntoIterator<Item = Pid>,
        timeout: Duration,
    ) -> Result<Vec<Exit>, WatchError> {
        several::wait_all(self, pids, timeout)
    }

    /// Spawns a command, and runs a closure when its process has exited.
    ///
    /// The registration ends with the closure, so nothing is left to unregister. The closure may
    /// run before this call returns. The caller still has to wait for the child. If the child is
    /// reaped before the closure has run, its status may be unknown.
    ///
    /// # A refused child
    ///
    /// As for [`spawn_watchable`](Self::spawn_watchable). The closure has been
    /// dropped then.
    ///
    /// # Errors
    ///
    /// As [`spawn_watchable`](Self::spawn_watchable).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use std::sync::mpsc;
    /// use childwatch_core::{Exit, PidWatcher, PidWatcherExt};
    ///
    /// fn run(watcher: &dyn PidWatcher) -> Result<Exit, Box<dyn std::error::Error>> {
    ///     let (sender, receiver) = mpsc::channel();
    ///     let (mut child, _handle) = watcher.spawn_watched(&mut Command::new("true"), move |exit| {
    ///         let _ = sender.send(exit);
    ///     })?;
    ///     let exit = receiver.recv()?;
    ///     child.wait()?;
    ///     Ok(exit)
    /// }
    /// ```
    fn spawn_watched(
        &self,
        command: &mut Command,
        callback: impl FnOnce(Exit) + Send + 'static,
    ) -> io::Result<(Child, WatchHandle)> {
        spawn::spawn_and(command, |pid| self.on_exit(pid, callback))
    }

    /// Spawns a command, and returns the exit of its process as a future.
    ///
    /// The registration ends with the exit, or when the future is dropped. The child lives on if
    /// the future is dropped. The caller still has to wait for the child.
    ///
    /// # A refused child
    ///
    /// As for [`spawn_watchable`](Self::spawn_watchable).
    ///
    /// # Errors
    ///
    /// As [`spawn_watchable`](Self::spawn_watchable).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::{Command, ExitStatus};
    /// use childwatch_core::{PidWatcher, PidWatcherExt};
    ///
    /// async fn run(watcher: &dyn PidWatcher) -> std::io::Result<ExitStatus> {
    ///     let (mut child, exited) = watcher.spawn_exited(&mut Command::new("true"))?;
    ///     exited.await;
    ///     child.wait() // returns at once
    /// }
    /// ```
    fn spawn_exited(&self, command: &mut Command) -> io::Result<(Child, Exited)> {
        spawn::spawn_and(command, |pid| self.exited(pid))
    }

    /// Spawns a command and [registers](PidWatcher::register_pid) its process.
    ///
    /// The registration lasts until [`unregister_pid`](PidWatcher::unregister_pid), and keeps what
    /// the backend needs for a process, such as a file descriptor. So this call is for a child
    /// whose callbacks are registered later, or by other code. If they are known now,
    /// [`spawn_watched`](Self::spawn_watched) and [`spawn_exited`](Self::spawn_exited) leave
    /// nothing to unregister.
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
    /// use childwatch_core::{Pid, PidWatcher, PidWatcherExt};
    ///
    /// fn run(watcher: &dyn PidWatcher) -> Result<ExitStatus, Box<dyn std::error::Error>> {
    ///     let mut child = watcher.spawn_watchable(&mut Command::new("true"))?;
    ///     let pid = Pid::from(&child);
    ///     for part in ["the first part", "the second part"] {
    ///         watcher.register_on_exit(pid, move |exit| println!("{part} knows: {exit}"))?;
    ///     }
    ///     watcher.unregister_pid(pid); // the callbacks stay
    ///     Ok(child.wait()?)
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
