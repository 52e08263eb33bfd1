//! The system calls that the suite needs and rustix does not have, and what it
//! reads from the kernel. All `unsafe` of the suite's own machinery is here, and in
//! `crowd`, `sleeper`, `namespace` and the hosts that fork.

mod answered;
mod birth;
mod chained;
mod death;
mod directory;
mod endings;
mod heap;
mod limits;
mod notices;
mod own_handler;
mod permits;
mod receive;
mod second_copy;
mod signals;
mod stacks;
mod streams;
mod terminal;
mod threads;
mod ticks;
mod tracing;
mod traps;
mod users;
mod wall_clock;

pub(crate) use answered::AnsweredSignal;
pub(crate) use birth::{
    Birth, Fork, SMALL_STACK, become_subreaper, clone_sharing_memory,
    copy_that_writes_to_a_broken_pipe, end_children_at_exit, fork_copy, fork_crowd_member,
    fork_gated, fork_twin, kill_with_its_starter, share_the_working_directory,
};
pub(crate) use chained::Chained;
pub(crate) use death::{
    confirm_dead, continue_, first_zombie, has_children, is_child, is_waitable, is_zombie, kill,
    reap, send, stop, terminate, waitable_within, wall,
};
pub(crate) use directory::TemporaryDirectory;
pub(crate) use endings::{
    at_the_end_of_this_thread, await_the_first_thread_at_exit, exit_with_0,
    is_signalled_on_the_smallest_stack,
};
pub(crate) use heap::GuardedHeap;
pub(crate) use limits::{
    FewFiles, NoFiles, Replaced, address_space_bytes, close_all_from, eventfds,
    limit_address_space, may_have_processes, open_files_limit,
};
pub(crate) use notices::{Answer, Listener, Notice, may_listen_to_calls};
pub(crate) use own_handler::{
    Step, child_signals, code_of_system, forget_reaped, forget_steps, install_counting_handler,
    install_interrupting_handler, install_reaping_handler, reaped_by_handler, steps,
};
pub(crate) use permits::{
    can_choose_pids, can_have_children_reaped, kernel_is_at_least, leave_pid_namespace,
    may_filter_calls, may_trace, seize,
};
#[cfg(test)]
pub(crate) use permits::{can_wipe_on_fork, takes_any_advice};
pub(crate) use receive::{
    ChildSignal, ChildSignals, HeldHandler, NotedSignal, count_through_signal_hook,
    is_interrupted_within, read_once, record_child_signals, recorded_child_signals,
    remove_all_actions, take_child_signal, takes_signal, threads_that_let_through,
};
pub(crate) use second_copy::SecondCopy;
pub use signals::block_sigchld;
pub(crate) use signals::{
    Blocked, CHILD_SIGNALS, CountedSignal, Forwarding, RepairedPage, SYNCHRONOUS_SIGNALS,
    SigchldAction, block, block_every_signal, blocked_by, blocked_signals, change_sigchld_flags,
    default_broken_pipe_action, dispositions, fatal_signals, forward, forward_in_a_loop, raise,
    sigchld_disposition, sigchld_mask, signal_self, signals_in_own_status, unblock,
    unblock_sigchld,
};
pub(crate) use stacks::{errno_after_a_signal, signal_at_the_end_of_a_stack};
pub(crate) use streams::{close_streams, open_streams_as_a_daemon, streams_lead_nowhere};
pub(crate) use terminal::Terminal;
pub(crate) use threads::{
    another_thread_of, exit_thread_only, has_one_thread, is_asleep, leave_the_table_of_files,
    name_this_thread, processor_time, run_delay, since_boot, thread_id, threads, time_by, wakeups,
};
pub(crate) use ticks::Ticks;
pub(crate) use tracing::{Seen, Tracee};
pub(crate) use traps::{
    answer_trapped_calls, block_trapped_calls, can_answer_trapped_calls, count_trapped_calls,
    serve_trapped_calls,
};
pub(crate) use users::{OtherUser, users_of_threads};
pub(crate) use wall_clock::{can_set_own_wall_clock, have_own_wall_clock, set_wall_clock_ahead};
