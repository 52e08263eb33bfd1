//! The list of cases, and the one place that it is kept in.

use crate::backend::facility::Facility::{
    AutoReaping, ChosenPid, OpenFiles, PidNamespace, Processes, ProcessesOwnStatus, Ptrace,
    Seccomp, SharedMemory, SignalsOwnStatus, TrappedCalls, UsageBeforeReaping,
};
use crate::backend::feature::Feature::{
    BlockedSignals, ChildSignal, ChildrenOnly, Driver, FilePerProcess, FileToRegister,
    NoHandlerAtFirst, NoHandlerOfTheProgram, NoSignalHandler, NonChildren, OwnThread, Pidfds,
    PidfdsOnly, RealProcesses, ResourceUsage, Signals, SilentExits, StatusAfterReaping,
    UntilReaped, WithoutPidfds, WithoutProc,
};
use crate::backend::need::Need::AnAnswer;
use crate::case::Case;
use crate::case::clause::Clause;

mod callbacks;
mod concurrency;
mod driver;
mod drop;
mod footprint;
mod fork;
mod host;
mod identity;
mod masks;
mod namespaces;
mod only_exit;
mod pidfd;
mod poll;
mod reaping;
mod reentry;
mod register;
mod sandbox;
mod scale;
mod send;
mod signal;
mod start;
mod status;
mod unregister;

/// Makes [`CASES`], and [`with_every_case!`](crate::with_every_case), from one
/// list. A case's name is its function's.
macro_rules! cases {
    ($dollar:tt $($clause:ident $module:ident::$name:ident [$($need:expr),*],)*) => {
        /// Every case of the suite.
        pub static CASES: &[Case] = &[$(
            Case {
                name: stringify!($name),
                clause: Clause::$clause,
                needs: &[$($need.need()),*],
                run: $module::$name,
            },
        )*];

        /// Calls a macro with the name of every case, for fronts that make a test
        /// of each.
        #[macro_export]
        macro_rules! with_every_case {
            ($dollar front:ident) => {
                $dollar front! { $($name)* }
            };
        }
    };
}

cases! { $
    C1 register::a_zombie_is_registered [],
    C1 register::an_exit_races_the_registration [],
    C1 register::a_child_of_a_thread_that_has_exited [RealProcesses],
    C1 register::an_orphan_adopted_by_a_subreaper [RealProcesses],
    C1 register::a_child_without_an_exit_signal [RealProcesses, SilentExits],
    C1 register::a_process_that_is_no_child [NonChildren],
    C1 sandbox::a_filter_set_up_later_hides_no_exit [WithoutPidfds, WithoutProc, Seccomp],

    C1 poll::each_poll_finds_a_zombie [],
    C1 poll::a_poll_leaves_nothing [],

    C2 poll::a_poll_finds_what_was_reaped_only_if_it_is_registered [],
    C2 signal::a_process_that_is_no_child_is_refused [ChildrenOnly],
    C2 signal::a_process_or_thread_that_is_only_traced_is_refused [ChildrenOnly, Ptrace],
    C2 register::the_same_pid_twice_is_refused [],
    C2 register::of_many_at_once_one_registers [],
    C2 register::an_unused_number_is_refused [],
    C2 register::a_refusal_leaves_the_reaped_process_registered [],
    C2 register::the_own_process_is_refused [],
    C2 register::a_threads_id_is_refused [RealProcesses],
    C2 register::a_callback_without_a_registration_is_refused [],
    C2 register::out_of_files_at_the_nth_registration [FilePerProcess],
    C2 register::construction_without_files_fails_cleanly [],
    C2 register::construction_without_memory_for_a_thread_fails_cleanly [RealProcesses],
    C2 register::a_refused_spawn_leaves_nothing [FileToRegister],
    C2 start::a_refused_spawn_leaves_nothing_that_is_still_its_own [RealProcesses, Seccomp],
    C2 start::a_refused_spawn_with_a_callback_leaves_nothing [RealProcesses],
    C2 start::a_refused_spawn_signals_no_successor [RealProcesses, ChosenPid],
    C2 start::a_refused_fork_leaves_nothing [RealProcesses],
    C2 sandbox::a_watcher_is_made_where_its_backend_is_available [AnAnswer],
    C2 sandbox::construction_without_pidfds_is_unsupported [PidfdsOnly, Seccomp],
    C2 sandbox::construction_short_of_pidfds_is_a_resource_limit [PidfdsOnly, Seccomp],
    C2 sandbox::each_call_of_the_construction_may_fail [RealProcesses, Seccomp],
    C2 sandbox::construction_without_a_pid_namespace_for_threads_says_so [PidNamespace],
    C2 sandbox::a_shortage_is_told_and_not_latched [PidfdsOnly, Seccomp],
    C2 sandbox::a_refusal_to_wait_for_pidfds_is_not_latched [PidfdsOnly, Seccomp],
    C2 sandbox::what_cannot_be_asked_about_is_not_taken_for_a_child [ChildrenOnly, Seccomp],
    C2 sandbox::a_filter_set_up_later_refuses_only_new_processes [PidfdsOnly, Seccomp],

    C2 pidfd::what_cannot_be_registered_by_a_pidfd_is_refused [Pidfds],

    C3 callbacks::each_callback_runs_once [],
    C3 callbacks::a_thousand_simultaneous_exits [RealProcesses, OpenFiles(1_200)],
    C3 callbacks::two_watchers_of_one_child_both_tell [],
    C3 callbacks::reaping_makes_no_second_run [],
    C3 signal::foreign_zombies_hide_no_exit [RealProcesses],
    C3 signal::a_replaced_handler_is_noticed [ChildSignal, SilentExits],
    C3 signal::signals_that_keep_coming_keep_no_silent_exit_back [RealProcesses],
    C3 signal::a_blocked_child_signal_is_heard [RealProcesses, BlockedSignals],
    C3 signal::removed_actions_of_the_handler_hide_no_exit [ChildSignal, SilentExits],
    C3 host::a_program_that_takes_the_signals_keeps_no_exit_back [RealProcesses, SilentExits],
    C3 callbacks::exits_are_told_in_a_storm_of_restarts [RealProcesses],
    C3 signal::more_exits_than_hints_are_all_told [RealProcesses, OpenFiles(1_400)],
    C3 scale::of_ten_thousand_one_exits
        [RealProcesses, SharedMemory, OpenFiles(10_200), Processes(10_200)],
    C3 status::no_exit_is_lost_to_another_reaper
        [RealProcesses, SilentExits, SharedMemory, OpenFiles(400)],
    C3 poll::no_poll_finds_a_live_child [],
    C3 poll::no_poll_finds_a_live_process_that_is_no_child [NonChildren],
    C3 driver::the_descriptor_is_readable_as_long_as_something_is_due [Driver],
    C3 driver::what_a_drive_leaves_is_told_by_the_descriptor [Driver, OpenFiles(400)],
    C3 driver::two_drivers_in_one_loop_both_tell [Driver],
    C3 driver::a_drive_that_may_not_wait_runs_what_is_due [Driver, Seccomp],
    C4 callbacks::callbacks_run_in_order_on_one_thread [],
    C4 callbacks::callbacks_run_one_at_a_time [],
    C4 callbacks::watches_of_one_process_share_its_order [],
    C4 masks::a_child_that_a_callback_starts_has_an_ordinary_mask [RealProcesses],
    C4 masks::a_thread_that_a_callback_starts_has_an_ordinary_mask [],
    C4 masks::a_panic_leaves_the_next_callback_an_ordinary_mask [RealProcesses, OwnThread],
    C4 masks::a_signal_raised_in_a_callback_takes_effect_there [],
    C4 masks::a_signal_for_the_watchers_thread_takes_effect_in_a_callback [OwnThread],
    C4 masks::a_fault_in_a_callback_reaches_its_handler [],
    C4 masks::no_thread_blocks_what_faults_raise [],
    C4 driver::callbacks_run_on_the_thread_that_drives [Driver],
    C4 driver::callbacks_run_with_the_mask_of_the_thread_that_drives [Driver],
    C4 driver::a_drive_waits_no_longer_than_it_may [Driver],
    C5 callbacks::a_late_callback_runs_at_once [],
    C5 callbacks::a_late_callback_runs_after_reaping_too [],
    C5 driver::a_drive_that_waits_is_woken_by_a_call [Driver],

    C6 status::every_code_and_signal_is_told [RealProcesses],
    C6 status::codes_and_signals_are_told [],
    C6 status::a_child_reaped_first_is_told_truly [],
    C6 status::an_ignored_child_signal_is_told_truly [RealProcesses],
    C6 status::a_child_of_no_child_wait_is_told_truly [RealProcesses],
    C6 status::every_status_is_told_where_the_kernel_reaps
        [RealProcesses, StatusAfterReaping, SharedMemory, OpenFiles(400)],
    C6 status::every_status_is_told_beside_a_reaping_thread
        [RealProcesses, StatusAfterReaping, SharedMemory, OpenFiles(400)],
    C6 status::a_child_that_is_never_a_zombie_is_told_truly [RealProcesses, SilentExits, AutoReaping],
    C6 sandbox::an_exit_whose_status_is_hidden_is_told_truly [PidfdsOnly, Seccomp],
    C6 only_exit::a_process_whose_leader_left_first_is_told_truly
        [RealProcesses, ProcessesOwnStatus],
    C6 status::a_tracers_zombie_that_the_kernel_reaps_is_told_truly
        [RealProcesses, SilentExits, Ptrace],
    C6 status::a_childs_usage_is_told [RealProcesses, ResourceUsage, UsageBeforeReaping],
    C6 status::an_unknown_usage_is_none [ResourceUsage],
    C7 status::the_child_is_waitable_inside_the_callback [],
    C7 status::a_callback_may_reap [],
    C7 status::an_unwatched_child_is_left_alone [RealProcesses],
    C7 status::a_tracers_zombie_is_told_when_waitable [RealProcesses, Ptrace],

    C8 unregister::unregister_pid_keeps_callbacks_and_refuses_new_ones [],
    C8 unregister::unregister_pid_is_idempotent_and_harmless [],
    C8 unregister::the_pid_can_be_registered_again [],
    C8 unregister::a_watch_leaves_the_registration_that_it_joins [],
    C9 unregister::an_unregistered_callback_never_runs [],
    C9 unregister::unregister_waits_for_a_running_callback [],
    C9 unregister::unregister_waits_for_no_other_callback [],
    C9 unregister::a_callback_that_unregisters_itself_is_running [],
    C9 unregister::a_callback_unregisters_another [],
    C9 unregister::a_second_unregister_finds_nothing [],
    C9 unregister::a_handle_of_another_watcher_leads_to_nothing [],
    C9 unregister::of_many_at_once_one_takes_out [],
    C9 unregister::the_last_callback_goes_as_its_exit_is_in_flight [],
    C9 unregister::unregister_races_the_exit [],
    C9 driver::a_callback_that_nobody_drives_is_taken_out_at_once [Driver],

    C10 reentry::every_method_may_be_called_in_a_callback [],
    C10 reentry::a_callback_ends_its_own_registration [],
    C10 reentry::a_captured_values_drop_calls_the_watcher [],
    C10 driver::a_callback_may_drive_another_watcher [Driver],
    C11 reentry::a_panicking_callback_harms_nothing [],
    C11 reentry::a_panicking_callback_leaves_nothing [],
    C11 reentry::a_callbacks_panic_is_told_to_the_hook [],
    C11 reentry::a_panics_payload_is_dropped_once [],
    C11 reentry::a_panicking_drop_harms_nothing [],
    C11 reentry::a_panicking_drop_leaves_nothing [],
    C12 drop::drop_with_live_children_drops_captures [],
    C12 drop::the_end_of_one_watcher_harms_no_other [],
    C12 drop::drop_inside_a_callback_ends_the_thread_after_it [],
    C12 drop::drop_waits_for_a_running_callback [],
    C12 drop::a_captured_watcher_is_dropped_by_its_own_callback [],
    C12 drop::a_future_keeps_nothing_of_its_watcher [],
    C12 driver::a_driver_that_is_dropped_first_ends_the_watcher [Driver],
    C12 driver::a_watcher_that_is_dropped_first_ends_the_driver [Driver],
    C12 driver::the_drop_of_the_watcher_waits_for_a_callback_in_drive [Driver],
    C12 driver::a_watcher_dropped_in_its_callback_ends_the_driver [Driver],
    C12 sandbox::drop_ends_a_thread_that_cannot_wait_any_more [RealProcesses, Seccomp],

    C13 identity::the_number_of_a_reaped_and_unregistered_process_comes_back [ChosenPid],
    C13 identity::the_number_of_a_registered_process_comes_back [ChosenPid],
    C13 identity::a_registered_processes_number_comes_back_and_exits_again [ChosenPid, SignalsOwnStatus],
    C13 identity::a_late_signal_of_a_former_process_ends_no_living_one [RealProcesses, ChosenPid, BlockedSignals],
    C13 identity::a_successors_status_is_not_told_for_a_process [ChosenPid],
    C13 identity::a_successors_status_is_not_told_without_files [RealProcesses, ChosenPid],
    C13 namespaces::in_a_foreign_proc_no_living_process_is_told
        [RealProcesses, SilentExits, WithoutProc, ChosenPid, PidNamespace],
    C13 namespaces::without_proc_a_successors_status_is_not_told
        [RealProcesses, WithoutProc, ChosenPid, PidNamespace],
    C13 identity::a_stale_event_fires_nothing_of_the_new_process [ChosenPid],
    C13 identity::a_watch_joins_the_process_and_not_the_number [ChosenPid],
    C13 pidfd::a_pidfd_means_a_process_and_not_its_number [Pidfds, ChosenPid],

    C14 only_exit::the_leader_exits_and_a_thread_lives [RealProcesses],
    C14 only_exit::a_thread_executes_another_program [RealProcesses],
    C14 only_exit::stop_and_continue [RealProcesses],
    C14 only_exit::a_child_signal_sent_by_hand [RealProcesses],

    C15 fork::every_call_in_a_copy_answers_forked [RealProcesses],
    C15 fork::drop_in_a_copy_returns_at_once [RealProcesses],
    C15 fork::a_copy_may_make_a_watcher_of_its_own [RealProcesses],
    C15 fork::a_copy_made_beside_a_running_handler_may_make_its_own [ChildSignal],
    C15 fork::a_copy_is_known_where_advice_is_ignored [RealProcesses, Seccomp],
    C15 fork::a_copy_with_the_same_pid_is_known
        [RealProcesses, WithoutProc, Seccomp, PidNamespace],
    C15 fork::a_copy_that_holds_the_fds_makes_no_stale_event [RealProcesses],
    C15 fork::a_copy_made_in_a_callback_ends_when_that_returns [RealProcesses],
    C15 fork::a_raw_copy_may_change_its_user_at_once [OwnThread],
    C15 driver::a_drive_in_a_copy_answers_forked [RealProcesses, Driver],
    C15 driver::a_copy_made_in_a_driven_callback_goes_on [RealProcesses, Driver],
    C15 fork::a_forked_child_never_unwinds_into_the_parents_copy [RealProcesses],
    C15 fork::a_forked_child_is_registered_before_it_runs [RealProcesses],

    C16 footprint::exec_leaks_no_fd [RealProcesses],
    C16 footprint::ten_thousand_cycles_leave_nothing [],
    C16 footprint::ten_thousand_refusals_leave_nothing [],
    C16 footprint::full_lives_leave_nothing [],
    C16 footprint::a_set_of_processes_leaves_nothing [],
    C16 start::a_spawn_with_a_callback_leaves_nothing_to_unregister [RealProcesses],
    C16 pidfd::registrations_by_pidfd_leave_nothing [Pidfds],

    C16 signal::nothing_watched_wakes_nothing [RealProcesses],

    C17 concurrency::a_slow_callback_blocks_no_call [],
    C17 concurrency::many_threads_at_once [],
    C17 concurrency::many_threads_watch_one_process [],

    C18 driver::nothing_is_readable_when_nothing_is_due [Driver],
    C18 driver::a_drive_waits_at_a_limit_of_no_files [Driver],
    C18 host::an_idle_watcher_touches_no_handler [RealProcesses, NoHandlerOfTheProgram],
    C18 host::a_refused_process_touches_no_handler [RealProcesses, NoHandlerOfTheProgram],
    C18 host::no_signal_is_taken_once_the_last_exit_is_told
        [RealProcesses, NoHandlerOfTheProgram, BlockedSignals],
    C18 host::a_signalfd_reader_hears_of_every_exit [RealProcesses, BlockedSignals],
    C18 host::a_signalfd_reader_hears_of_every_stop [RealProcesses, BlockedSignals],
    C18 host::a_sigwait_loop_hears_of_every_exit [RealProcesses, BlockedSignals],
    C18 host::a_handlers_flags_and_mask_are_kept [RealProcesses, NoHandlerOfTheProgram],
    C18 sandbox::a_call_that_a_sandbox_traps_ends_no_thread [RealProcesses, TrappedCalls],
    C18 footprint::no_handler_and_no_mask_is_touched [RealProcesses, NoSignalHandler],
    C18 footprint::no_handler_is_touched_before_one_is_needed [RealProcesses, NoHandlerAtFirst],
    C18 footprint::a_file_with_a_number_of_the_watchers_is_left_alone [RealProcesses],
    C18 footprint::the_makers_signal_mask_is_left_alone [RealProcesses],
    C18 masks::no_signal_handler_runs_on_the_watchers_thread [RealProcesses, OwnThread],
    C18 start::a_forked_child_that_dies_early_is_no_signal_to_its_parent [RealProcesses],
    C18 signal::the_handler_found_is_called_on [ChildSignal],
    C18 signal::a_handler_over_the_default_keeps_its_flags [ChildSignal],
    C18 signal::a_handler_over_an_ignored_signal_makes_no_zombies [ChildSignal],
    C18 signal::a_handler_over_no_child_wait_makes_no_zombies [ChildSignal],

    C19 pidfd::a_process_is_registered_by_its_pidfd [Pidfds],
    C19 pidfd::an_offered_pidfd_stays_the_callers [Pidfds],
    C19 pidfd::a_pidfd_that_is_asked_for_means_the_registered_process [Pidfds],
    C19 pidfd::duplicates_that_are_kept_harm_no_later_registration [Pidfds],
    C19 pidfd::pidfds_are_offered_or_unsupported [],

    C20 send::a_signal_reaches_the_registered_process [Signals],
    C20 send::a_zombie_takes_a_signal_and_a_reaped_process_none [Signals],
    C20 send::no_successor_is_signalled [Signals, ChosenPid],
    C20 send::a_signal_that_there_is_not_is_refused [Signals],
    C20 send::a_signal_that_is_not_permitted_is_refused [Signals, RealProcesses, Seccomp],
    C20 send::a_child_is_signalled_without_pidfds [Signals, WithoutPidfds, Seccomp],

    C21 reaping::a_process_is_told_when_it_is_reaped [UntilReaped],
    C21 reaping::a_process_that_is_no_child_is_told_with_its_status [UntilReaped, NonChildren],
    C21 reaping::a_child_that_the_kernel_reaps_is_told [UntilReaped, RealProcesses],
    C21 reaping::a_reaping_races_the_registration [UntilReaped],
    C21 reaping::the_number_of_a_process_that_is_told_comes_back [UntilReaped, ChosenPid],
}
