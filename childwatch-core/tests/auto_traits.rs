//! The auto traits of every public type. A private field may take one away, and docs/api does not
//! list them. So these tests need only compile.

use std::error::Error;
use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use childwatch_core::source::clock::{Stopwatch, Ticks};
use childwatch_core::source::{
    Detail, Ended, ExitSource, PollableSource, Report, ThreadedWatcher, Token, TokenTable,
};
use childwatch_core::{
    DrivenWatcher, Driver, Exit, ExitCallback, ExitSet, Exited, Exits, FallbackWatcher, InvalidPid,
    NextExit, Pid, PidWatcher, ResourceUsage, SimulatedProcesses, SimulatedWatcher, Unregistered,
    WatchError, WatchGuard, WatchHandle,
};

fn has_all<T: Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
fn is_watcher<T: PidWatcher + Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
fn is_value<T: Copy + Eq + Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
fn is_key<T: Copy + Eq + Hash>() {}
fn is_ordered<T: Ord>() {}
fn is_error<T: Error + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
fn is_future_for_spawn<T: Future + Send + 'static>() {}
fn is_send_sync<T: Send + Sync + ?Sized>() {}
fn is_send<T: Send>() {}

#[test]
fn watchers_may_be_shared_moved_and_kept_across_a_panic() {
    #[expect(dead_code, reason = "the compiler checks it for every source")]
    fn over_any_source<P: ExitSource, S: ExitSource>() {
        is_watcher::<ThreadedWatcher<P>>();
        is_watcher::<FallbackWatcher<P, S>>();
    }
    #[expect(dead_code, reason = "the compiler checks it for every source")]
    fn driven_by_a_loop<S: PollableSource>() {
        is_watcher::<DrivenWatcher<S>>();
        is_send::<Driver<S>>();
    }
    is_watcher::<SimulatedWatcher>();
    is_send_sync::<dyn PidWatcher>();
    has_all::<SimulatedProcesses>();
    has_all::<WatchGuard<'static, SimulatedWatcher>>();
    has_all::<WatchGuard<'static, dyn PidWatcher>>();
}

#[test]
fn a_set_may_be_shared_spawned_and_kept_across_a_panic() {
    has_all::<ExitSet<SimulatedWatcher>>();
    has_all::<ExitSet<&'static dyn PidWatcher>>();
    has_all::<ExitSet<Arc<dyn PidWatcher>>>();
    has_all::<Exits<'static>>();
    has_all::<NextExit<'static>>();
    is_future_for_spawn::<NextExit<'static>>();
}

#[test]
fn a_future_may_be_spawned_and_polled_in_place() {
    has_all::<Exited>();
    is_future_for_spawn::<Exited>();
}

#[test]
fn errors_may_be_boxed_for_any_thread_and_leave_catch_unwind() {
    is_error::<WatchError>();
    is_error::<InvalidPid>();
}

#[test]
fn values_are_copied_compared_and_hashed() {
    is_value::<Pid>();
    is_key::<Pid>();
    is_ordered::<Pid>();
    is_value::<WatchHandle>();
    is_key::<WatchHandle>();
    is_ordered::<WatchHandle>();
    is_value::<Unregistered>();
    is_key::<Unregistered>();
    // std's `ExitStatus` is not `Hash`.
    is_value::<Exit>();
    is_value::<ResourceUsage>();
    is_send::<ExitCallback>();
}

#[test]
fn what_a_backend_needs_may_be_shared_too() {
    is_value::<Token>();
    is_key::<Token>();
    // A report and an end own the box of a usage, so they are cloned.
    has_all::<Report>();
    has_all::<Ended>();
    is_value::<Detail>();
    is_value::<Ticks>();
    is_key::<Ticks>();
    is_ordered::<Ticks>();
    has_all::<Stopwatch>();
    has_all::<TokenTable<u32>>();
}
