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
mod traps;

pub(crate) use birth::{
    Birth, SMALL_STACK, become_subreaper, clone_sharing_memory, fork_copy, fork_crowd_member,
    fork_gated,
};
pub(crate) use death::{
    confirm_dead, continue_, first_zombie, has_children, is_child, is_waitable, is_zombie, kill,
    reap, stop, waitable_within, wall,
};
pub(crate) use directory::TemporaryDirectory;
pub(crate) use limits::{
    FewFiles, Replaced, address_space_bytes, eventfds, limit_address_space, may_have_processes,
    open_files_limit,
};
pub(crate) use notices::{Answer, Listener, Notice, may_listen_to_calls};
#[cfg(test)]
pub(crate) use permits::can_wipe_on_fork;
pub(crate) use permits::{
    can_choose_pids, can_have_children_reaped, kernel_is_at_least, may_filter_calls, may_trace,
    seize,
};
pub use signals::block_sigchld;
pub(crate) use signals::{
    CHILD_SIGNALS, SigchldAction, blocked_signals, clear_sigchld_flags, dispositions,
    fatal_signals, sigchld_disposition, signal_self,
};
pub(crate) use threads::{
    exit_thread_only, is_asleep, processor_time, run_delay, since_boot, thread_id, time_by, wakeups,
};
pub(crate) use traps::{answer_trapped_calls, block_trapped_calls, can_answer_trapped_calls};
