//! The list of hosts, a file each, and what they share: [`Life`].

use crate::case::Case;
use crate::case::clause::Clause;
use crate::hosts::host::Host;

mod apart;
mod children;
mod contract;
pub(crate) mod exception;
pub(crate) mod host;
mod inherited;
mod life;
mod receiving;
pub(crate) mod table;
mod tracing;

mod asks_all_threads;
mod blocks_later;
mod calls_system;
mod cancels_threads;
mod changes_user;
mod clock_jumps;
mod collects_stacks;
mod daemonises;
mod descriptors_apart;
mod dies_with_its_parent;
mod ends_in_destructors;
mod ends_its_thread;
mod exits_aside;
mod exits_in_a_callback;
mod first_thread_ends;
mod foreign_proc;
mod forks_in_a_callback;
mod forks_in_handlers;
mod handler_no_restart;
mod hidepid;
mod ignored_passed_on;
mod in_qemu;
mod in_valgrind;
mod installs_again;
mod job_control;
mod joins_a_namespace;
mod keeps_capabilities;
mod keeps_errno;
mod no_more_files;
mod no_proc;
mod one_thread;
mod other_clocks;
mod out_of_descriptors;
mod pid_1;
mod plain;
mod re_executes;
mod reaper_handler;
mod reaper_thread;
mod restart_storm;
mod restarts_in_callbacks;
mod ret_trap;
mod scans_stacks;
mod second_copy;
mod sigchld_blocked;
mod sigchld_ignored;
mod signalfd_reader;
mod sigpipe_default;
mod sigsegv_recovers;
mod sigsuspend_loop;
mod sigwait_loop;
mod small_alternate_stacks;
mod small_stacks;
mod small_stacks_alone;
mod static_musl;
mod stopped;
mod suspends_handlers;
mod takes_every_signal;
mod ticks;
mod tokio_beside;
mod tokio_by_signals;
mod traces_in_callbacks;
mod traces_its_children;
mod traces_others;
mod without_streams;
mod workers_fork;
mod writes_at_once;

/// Makes [`HOSTS`], [`CASES_OF_HOSTS`] and [`with_every_host!`](crate::with_every_host) from
/// one list of modules and names.
macro_rules! hosts {
    ($dollar:tt $($module:ident $name:literal,)*) => {
        /// Every host.
        pub static HOSTS: &[&Host] = &[$(&$module::HOST),*];

        /// A case for each host, in the order of [`HOSTS`].
        pub static CASES_OF_HOSTS: &[Case] = &[$(
            Case {
                name: $module::HOST.name,
                clause: Clause::C18,
                needs: $module::HOST.needs,
                run: |stage| $module::HOST.live_on(stage),
            },
        )*];

        /// Calls a macro with the name of every host, for fronts that make a test of each.
        #[macro_export]
        macro_rules! with_every_host {
            ($dollar front:ident) => {
                $dollar front! { $($name)* }
            };
        }
    };
}

hosts! { $
    plain "plain",
    sigchld_blocked "sigchld-blocked",
    sigchld_ignored "sigchld-ignored",
    ignored_passed_on "ignored-passed-on",
    signalfd_reader "signalfd-reader",
    sigwait_loop "sigwait-loop",
    foreign_proc "foreign-proc",
    no_proc "no-proc",
    hidepid "hidepid",
    pid_1 "pid-1",
    ret_trap "ret-trap",
    sigsegv_recovers "sigsegv-recovers",
    sigpipe_default "sigpipe-default",
    traces_its_children "traces-its-children",
    traces_others "traces-others",
    re_executes "re-executes",
    daemonises "daemonises",
    out_of_descriptors "out-of-descriptors",
    static_musl "static-musl",
    handler_no_restart "handler-no-restart",
    reaper_thread "reaper-thread",
    reaper_handler "reaper-handler",
    restarts_in_callbacks "restarts-in-callbacks",
    forks_in_a_callback "forks-in-a-callback",
    restart_storm "restart-storm",
    workers_fork "workers-fork",
    second_copy "second-copy",
    tokio_beside "tokio",
    tokio_by_signals "tokio-by-signals",
    clock_jumps "clock-jumps",
    other_clocks "time-namespace",
    in_qemu "qemu-user",
    in_valgrind "valgrind",
    sigsuspend_loop "sigsuspend-loop",
    installs_again "installs-again",
    without_streams "without-streams",
    one_thread "one-thread",
    stopped "stopped",
    changes_user "changes-user",
    asks_all_threads "asks-all-threads",
    small_stacks "small-stacks",
    keeps_errno "keeps-errno",
    dies_with_its_parent "dies-with-its-parent",
    exits_aside "exits-aside",
    no_more_files "no-more-files",
    takes_every_signal "takes-every-signal",
    joins_a_namespace "joins-a-namespace",
    first_thread_ends "first-thread-ends",
    collects_stacks "collects-stacks",
    ticks "ticks",
    descriptors_apart "descriptors-apart",
    calls_system "calls-system",
    exits_in_a_callback "exits-in-a-callback",
    ends_in_destructors "ends-in-destructors",
    small_alternate_stacks "small-alternate-stacks",
    job_control "job-control",
    writes_at_once "writes-at-once",
    cancels_threads "cancels-threads",
    suspends_handlers "suspends-handlers",
    small_stacks_alone "small-stacks-alone",
    traces_in_callbacks "traces-in-callbacks",
    scans_stacks "scans-stacks",
    blocks_later "blocks-later",
    keeps_capabilities "keeps-capabilities",
    forks_in_handlers "forks-in-handlers",
    ends_its_thread "ends-its-thread",
}
