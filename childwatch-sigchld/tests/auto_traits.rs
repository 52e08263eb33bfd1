//! The auto traits of every public type. A private field may take one away, and docs/api does not
//! list them. So this test needs only compile.

use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{RefUnwindSafe, UnwindSafe};

use childwatch_sigchld::{
    Disposition, Forwarder, Probe, ProcView, SigchldSource, SigchldWaiter, SigchldWatcher,
};

fn has_all<T: Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
fn is_clone<T: Clone>() {}
fn is_key<T: Copy + Eq + Hash + Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn every_public_type_may_be_shared_moved_and_kept_across_a_panic() {
    has_all::<SigchldWatcher>();
    has_all::<SigchldSource>();
    has_all::<SigchldWaiter>();
    has_all::<Probe>();
    has_all::<Forwarder>();
    is_clone::<Forwarder>();
    is_key::<Disposition>();
    is_key::<ProcView>();
}
