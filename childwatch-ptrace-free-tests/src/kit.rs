//! What cases and hosts are made of. A case of your own can use it too.
//!
//! | for | use |
//! |---|---|
//! | children that wait until the case lets them go | [`child`](mod@child), [`crowd`](mod@crowd) |
//! | children that have threads or execute a program | [`actor`](mod@actor) |
//! | callbacks that count their runs, and gates inside them | [`probe`](mod@probe) |
//! | waits on conditions | [`deadline`](mod@deadline) |
//! | a watcher without a thread, and a loop that drives it | [`driven`](mod@driven), [`looped`](mod@looped) |
//! | what a process leaves behind | [`footprint`](mod@footprint) |
//! | a process of its own, and its verdict | [`alone`](mod@alone), [`judged`](mod@judged) |
//! | saying why a test cannot run | [`skip`](mod@skip) |
//! | system calls, signals, limits and threads | [`sys`](mod@sys) |
//!
//! Nothing here needs a watcher of this workspace, or a privilege.

pub mod actor;
pub mod alone;
pub mod child;
pub mod crowd;
pub mod deadline;
pub mod driven;
pub mod footprint;
pub(crate) mod interposed;
pub mod judged;
pub mod locked;
pub mod looped;
pub(crate) mod own_proc;
pub mod probe;
pub mod skip;
pub mod storm;
pub mod sys;
