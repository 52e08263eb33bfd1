//! The auto traits of every public type. A private field may take one away, and docs/api does not
//! list them. So this test needs only compile.

use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};

use childwatch_pidfd::{PidfdSource, PidfdWaiter, PidfdWatcher, Probe};

fn has_all<T: Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn every_public_type_may_be_shared_moved_and_kept_across_a_panic() {
    has_all::<PidfdWatcher>();
    has_all::<PidfdSource>();
    has_all::<PidfdWaiter>();
    has_all::<Probe>();
    #[cfg(feature = "sigchld")]
    {
        has_all::<childwatch_pidfd::AutoWatcher>();
        has_all::<childwatch_pidfd::Backends>();
    }
}
