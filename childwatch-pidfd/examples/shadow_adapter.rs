//! The interface of Shadow's `ChildPidWatcher`, over any watcher.
//!
//! As in Shadow, what cannot be done panics. Unlike there, a callback may call every method.

#![expect(
    unsafe_code,
    reason = "`fork_watchable`, which is unsafe in Shadow too"
)]

use std::io;
use std::process;
use std::sync::mpsc;

use childwatch_pidfd::{ExitCallback, Pid, PidWatcher, PidWatcherExt, PidfdWatcher, WatchHandle};

/// Tells of the exits of processes, by callbacks on a thread of its own.
struct ChildPidWatcher(Box<dyn PidWatcher>);

impl ChildPidWatcher {
    fn new() -> Self {
        let watcher = PidfdWatcher::new();
        ChildPidWatcher(Box::new(watcher.unwrap_or_else(|error| panic!("{error}"))))
    }

    /// Forks a child that runs `child_fn` and exits. The child stays registered until
    /// [`unregister_pid`](Self::unregister_pid).
    ///
    /// # Safety
    ///
    /// As for [`PidWatcherExt::fork_watchable`].
    unsafe fn fork_watchable(&self, child_fn: impl FnOnce()) -> io::Result<Pid> {
        let child = || {
            child_fn();
            process::abort()
        };
        // SAFETY: what the function requires of `child` is required of the caller.
        unsafe { self.0.fork_watchable(child) }
    }

    fn register_pid(&self, pid: Pid) {
        let registered = self.0.register_pid(pid);
        registered.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Callbacks that are registered still run.
    fn unregister_pid(&self, pid: Pid) {
        self.0.unregister_pid(pid);
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: impl Send + FnOnce(Pid) + 'static,
    ) -> WatchHandle {
        let callback: ExitCallback = Box::new(move |exit| callback(exit.pid()));
        let handle = self.0.register_callback(pid, callback);
        handle.unwrap_or_else(|error| panic!("{error}"))
    }

    /// When this returns, the callback has run or never will.
    fn unregister_callback(&self, _pid: Pid, handle: WatchHandle) {
        self.0.unregister_callback(handle);
    }
}

fn main() -> io::Result<()> {
    let watcher = ChildPidWatcher::new();
    // SAFETY: the child makes one system call.
    let pid = unsafe { watcher.fork_watchable(|| libc::_exit(42)) }?;
    let (sender, receiver) = mpsc::channel();
    let unwanted = watcher.register_callback(pid, |_| ());
    watcher.unregister_callback(pid, unwanted);
    watcher.register_callback(pid, move |pid| {
        let _ = sender.send(pid);
    });
    watcher.unregister_pid(pid);
    watcher.register_pid(pid); // Also when it is a zombie.
    watcher.unregister_pid(pid);
    watcher.register_pid(pid); // Also when it is a zombie.
    watcher.unregister_pid(pid);
    println!("the same child: {}", receiver.recv() == Ok(pid));
    let id = rustix::process::Pid::from_raw(pid.as_raw());
    let reaped = rustix::process::waitpid(id, rustix::process::WaitOptions::empty())?;
    println!(
        "its code: {:?}",
        reaped.and_then(|(_, status)| status.exit_status())
    );
    Ok(())
}
