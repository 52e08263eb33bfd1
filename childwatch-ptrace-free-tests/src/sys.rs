//! The system calls that the suite needs and rustix does not have, and what it
//! reads from the kernel. All `unsafe` of the suite's own machinery is here, and in
//! `crowd`, `sleeper` and `namespace`.

mod birth;
mod death;
mod directory;
mod limits;
mod notices;
mod permits;
mod signals;
mod threads;

pub(crate) use birth::{
    Birth, Fork, SMALL_STACK, become_subreaper, clone_sharing_memory, fork_copy, fork_crowd_member,
    fork_gated, fork_twin,
};
pub(crate) use death::{
    confirm_dead, continue_, first_zombie, has_children, is_child, is_waitable, is_zombie, kill,
    reap, stop, terminate, waitable_within, wall,
};
pub(crate) use directory::TemporaryDirectory;
pub(crate) use limits::{
    FewFiles, address_space_bytes, limit_address_space, may_have_processes, open_files_limit,
};
pub(crate) use notices::{Answer, Listener, Notice, may_listen_to_calls};
#[cfg(test)]
pub(crate) use permits::can_wipe_on_fork;
pub(crate) use permits::{can_choose_pids, kernel_is_at_least, may_filter_calls, may_trace, seize};
pub use signals::block_sigchld;
pub(crate) use signals::{
    Blocked, CHILD_SIGNALS, CountedSignal, RepairedPage, SYNCHRONOUS_SIGNALS, SigchldAction, block,
    blocked_by, blocked_signals, clear_sigchld_flags, dispositions, fatal_signals, raise,
    sigchld_disposition, signal_self,
};
pub(crate) use threads::{
    exit_thread_only, is_asleep, processor_time, run_delay, since_boot, thread_id, threads,
    time_by, wakeups,
};
