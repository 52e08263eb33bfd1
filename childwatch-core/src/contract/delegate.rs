//! [`delegate_pid_watcher`]: a watcher that passes each call on to another watcher.

/// Implements [`PidWatcher`](crate::PidWatcher) for a type that holds another watcher. Each
/// call is passed on to that watcher.
///
/// ```
/// use childwatch_core::SimulatedWatcher;
/// use childwatch_core::source::delegate_pid_watcher;
///
/// #[derive(Debug)]
/// struct MyWatcher(SimulatedWatcher);
///
/// delegate_pid_watcher!(impl for MyWatcher, |this| this.0);
/// ```
// A public macro needs `macro_export`, which puts it at the crate's root. It is hidden there.
// Backends import it from `childwatch_core::source`, under its own name.
#[doc(hidden)]
#[macro_export]
macro_rules! __delegate_pid_watcher {
    (impl $([$($parameters:tt)*])? for $type:ty, |$this:ident| $target:expr) => {
        impl $(<$($parameters)*>)? $crate::PidWatcher for $type {
            fn register_pid(&self, pid: $crate::Pid) -> Result<(), $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::register_pid(&$target, pid)
            }
            fn unregister_pid(&self, pid: $crate::Pid) {
                let $this = self;
                $crate::PidWatcher::unregister_pid(&$target, pid);
            }
            fn register_callback(
                &self,
                pid: $crate::Pid,
                callback: $crate::ExitCallback,
            ) -> Result<$crate::WatchHandle, $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::register_callback(&$target, pid, callback)
            }
            fn unregister_callback(&self, handle: $crate::WatchHandle) -> $crate::Unregistered {
                let $this = self;
                $crate::PidWatcher::unregister_callback(&$target, handle)
            }
            fn watch(
                &self,
                pid: $crate::Pid,
                callback: $crate::ExitCallback,
            ) -> Result<$crate::WatchHandle, $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::watch(&$target, pid, callback)
            }
            fn try_wait(
                &self,
                pid: $crate::Pid,
            ) -> Result<Option<$crate::Exit>, $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::try_wait(&$target, pid)
            }
            fn register_pidfd(
                &self,
                pidfd: ::std::os::fd::BorrowedFd<'_>,
            ) -> Result<$crate::Pid, $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::register_pidfd(&$target, pidfd)
            }
            fn watch_pidfd(
                &self,
                pidfd: ::std::os::fd::BorrowedFd<'_>,
                callback: $crate::ExitCallback,
            ) -> Result<$crate::WatchHandle, $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::watch_pidfd(&$target, pidfd, callback)
            }
            fn pidfd(
                &self,
                pid: $crate::Pid,
            ) -> Result<::std::os::fd::OwnedFd, $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::pidfd(&$target, pid)
            }
            fn send_signal(
                &self,
                pid: $crate::Pid,
                signal: i32,
            ) -> Result<(), $crate::WatchError> {
                let $this = self;
                $crate::PidWatcher::send_signal(&$target, pid, signal)
            }
            fn stats(&self) -> Option<$crate::WatcherStats> {
                let $this = self;
                $crate::PidWatcher::stats(&$target)
            }
            fn canceller(&self) -> Option<$crate::source::Canceller> {
                let $this = self;
                $crate::PidWatcher::canceller(&$target)
            }
        }
    };
}

pub use __delegate_pid_watcher as delegate_pid_watcher;
