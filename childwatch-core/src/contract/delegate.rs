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
///
/// One method may be the type's own. It stands in braces, and begins with `fn`:
///
/// ```
/// use childwatch_core::source::delegate_pid_watcher;
/// use childwatch_core::{Pid, PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};
///
/// #[derive(Debug)]
/// struct WithoutInit(SimulatedWatcher);
///
/// delegate_pid_watcher!(impl for WithoutInit, |this| this.0, {
///     fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
///         if pid.as_raw() == 1 {
///             return Err(WatchError::NotAChild { pid, source: None });
///         }
///         self.0.register_pid(pid)
///     }
/// });
///
/// let processes = SimulatedProcesses::new();
/// let watcher = WithoutInit(SimulatedWatcher::new(&processes)?);
/// let init = Pid::try_from(1)?;
/// assert!(processes.spawn_with_pid(init));
/// assert!(watcher.register_pid(init).is_err());
/// watcher.register_pid(processes.spawn())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// A public macro needs `macro_export`, which puts it at the crate's root. It is hidden there.
// Backends import it from `childwatch_core::source`, under its own name.
#[doc(hidden)]
#[macro_export]
macro_rules! __delegate_pid_watcher {
    // Drops a delegated method if the type's own method has this name.
    (@unless register_pid [fn register_pid $($own:tt)*] $($method:tt)*) => {};
    (@unless unregister_pid [fn unregister_pid $($own:tt)*] $($method:tt)*) => {};
    (@unless register_callback [fn register_callback $($own:tt)*] $($method:tt)*) => {};
    (@unless unregister_callback [fn unregister_callback $($own:tt)*] $($method:tt)*) => {};
    (@unless watch [fn watch $($own:tt)*] $($method:tt)*) => {};
    (@unless try_wait [fn try_wait $($own:tt)*] $($method:tt)*) => {};
    (@unless register_pidfd [fn register_pidfd $($own:tt)*] $($method:tt)*) => {};
    (@unless watch_pidfd [fn watch_pidfd $($own:tt)*] $($method:tt)*) => {};
    (@unless pidfd [fn pidfd $($own:tt)*] $($method:tt)*) => {};
    (@unless send_signal [fn send_signal $($own:tt)*] $($method:tt)*) => {};
    (@unless stats [fn stats $($own:tt)*] $($method:tt)*) => {};
    (@unless canceller [fn canceller $($own:tt)*] $($method:tt)*) => {};
    (@unless $name:ident [$($own:tt)*] $($method:tt)*) => { $($method)* };
    (impl $([$($parameters:tt)*])? for $type:ty, |$this:ident| $target:expr) => {
        $crate::__delegate_pid_watcher!(
            impl $([$($parameters)*])? for $type, |$this| $target, {}
        );
    };
    (impl $([$($parameters:tt)*])? for $type:ty, |$this:ident| $target:expr, { $($own:tt)* }) => {
        impl $(<$($parameters)*>)? $crate::PidWatcher for $type {
            $($own)*
            $crate::__delegate_pid_watcher! { @unless register_pid [$($own)*]
                fn register_pid(&self, pid: $crate::Pid) -> Result<(), $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::register_pid(&$target, pid)
                }
            }
            $crate::__delegate_pid_watcher! { @unless unregister_pid [$($own)*]
                fn unregister_pid(&self, pid: $crate::Pid) {
                    let $this = self;
                    $crate::PidWatcher::unregister_pid(&$target, pid);
                }
            }
            $crate::__delegate_pid_watcher! { @unless register_callback [$($own)*]
                fn register_callback(
                    &self,
                    pid: $crate::Pid,
                    callback: $crate::ExitCallback,
                ) -> Result<$crate::WatchHandle, $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::register_callback(&$target, pid, callback)
                }
            }
            $crate::__delegate_pid_watcher! { @unless unregister_callback [$($own)*]
                fn unregister_callback(&self, handle: $crate::WatchHandle) -> $crate::Unregistered {
                    let $this = self;
                    $crate::PidWatcher::unregister_callback(&$target, handle)
                }
            }
            $crate::__delegate_pid_watcher! { @unless watch [$($own)*]
                fn watch(
                    &self,
                    pid: $crate::Pid,
                    callback: $crate::ExitCallback,
                ) -> Result<$crate::WatchHandle, $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::watch(&$target, pid, callback)
                }
            }
            $crate::__delegate_pid_watcher! { @unless try_wait [$($own)*]
                fn try_wait(
                    &self,
                    pid: $crate::Pid,
                ) -> Result<Option<$crate::Exit>, $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::try_wait(&$target, pid)
                }
            }
            $crate::__delegate_pid_watcher! { @unless register_pidfd [$($own)*]
                fn register_pidfd(
                    &self,
                    pidfd: ::std::os::fd::BorrowedFd<'_>,
                ) -> Result<$crate::Pid, $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::register_pidfd(&$target, pidfd)
                }
            }
            $crate::__delegate_pid_watcher! { @unless watch_pidfd [$($own)*]
                fn watch_pidfd(
                    &self,
                    pidfd: ::std::os::fd::BorrowedFd<'_>,
                    callback: $crate::ExitCallback,
                ) -> Result<$crate::WatchHandle, $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::watch_pidfd(&$target, pidfd, callback)
                }
            }
            $crate::__delegate_pid_watcher! { @unless pidfd [$($own)*]
                fn pidfd(
                    &self,
                    pid: $crate::Pid,
                ) -> Result<::std::os::fd::OwnedFd, $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::pidfd(&$target, pid)
                }
            }
            $crate::__delegate_pid_watcher! { @unless send_signal [$($own)*]
                fn send_signal(
                    &self,
                    pid: $crate::Pid,
                    signal: i32,
                ) -> Result<(), $crate::WatchError> {
                    let $this = self;
                    $crate::PidWatcher::send_signal(&$target, pid, signal)
                }
            }
            $crate::__delegate_pid_watcher! { @unless stats [$($own)*]
                fn stats(&self) -> Option<$crate::WatcherStats> {
                    let $this = self;
                    $crate::PidWatcher::stats(&$target)
                }
            }
            $crate::__delegate_pid_watcher! { @unless canceller [$($own)*]
                fn canceller(&self) -> Option<$crate::source::Canceller> {
                    let $this = self;
                    $crate::PidWatcher::canceller(&$target)
                }
            }
        }
    };
}

pub use __delegate_pid_watcher as delegate_pid_watcher;
