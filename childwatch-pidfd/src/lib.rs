//! Tells of a process's exit through pidfds in epoll: the primary backend of
//! childwatch.
//!
//! [`PidfdWatcher`] watches children and any other process. Each watched process
//! costs one file descriptor while it is registered; a watcher costs three, and
//! one thread, named `childwatch-pid`. Outside callbacks that thread blocks every
//! signal but those that faults raise. The watcher touches no signal handler, and
//! no mask but that thread's.
//!
//! # Kernels
//!
//! Linux 5.4 or later (`pidfd_open` is 5.3, `waitid(P_PIDFD)` 5.4), 64-bit.
//! [`probe`] says what this kernel and sandbox offer, and why not.
//!
//! | from | what more |
//! |---|---|
//! | 6.15 | the status of a process that somebody else has reaped (`PIDFD_GET_INFO`) |
//!
//! # What this backend tells beyond the contract
//!
//! - A process that is not a child can be watched. Its status is known only if it
//!   has been reaped by the time the watcher looks, on 6.15 or later.
//! - A child reaped by somebody else, or by the kernel (`SIGCHLD` ignored,
//!   `SA_NOCLDWAIT`), is told of at once; its status is known on 6.15 or later.
//!
//! # Examples
//!
//! ```
//! use std::process::Command;
//! use std::sync::mpsc;
//! use childwatch_pidfd::{Pid, PidWatcher, PidWatcherExt, PidfdWatcher};
//!
//! let watcher = PidfdWatcher::new()?;
//! let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
//!
//! let (tell, told) = mpsc::channel();
//! watcher.on_exit(Pid::from(&child), move |exit| tell.send(exit).unwrap())?;
//! assert_eq!(told.recv()?.status().unwrap().code(), Some(3));
//!
//! child.wait()?; // reaping is left to the program
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Outside the macro: tools that follow the modules do not look into one.
mod errno;
mod info;
mod probe;
mod source;
mod watcher;
mod zombie;

cfg_if::cfg_if! {
    if #[cfg(all(target_os = "linux", target_pointer_width = "64"))] {
        pub use probe::{Probe, probe};
        pub use source::{PidfdSource, PidfdWaiter};
        pub use watcher::PidfdWatcher;
    } else {
        compile_error!("childwatch-pidfd needs 64-bit Linux: pidfds are Linux's, and its epoll tokens carry 64 bits");
    }
}

pub use childwatch_core::{
    Exit, ExitCallback, Exited, InvalidPid, Pid, PidWatcher, PidWatcherExt, Unregistered,
    WatchError, WatchGuard, WatchHandle,
};
