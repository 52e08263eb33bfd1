//! The list of hosts, a file each, and what they share: [`Life`].

use crate::case::{Case, Clause};
use crate::host::Host;

mod anew;
mod apart;
mod contract;
mod inherited;
mod life;
mod receiving;

mod asks_all_threads;
mod changes_user;
mod dies_with_its_parent;
mod exits_aside;
mod ignored_passed_on;
mod installs_again;
mod keeps_errno;
mod one_thread;
mod plain;
mod sigchld_blocked;
mod sigchld_ignored;
mod signalfd_reader;
mod sigsuspend_loop;
mod sigwait_loop;
mod small_stacks;
mod stopped;
mod time_namespace;
mod without_streams;

pub(crate) use life::Life;

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
                run: |stage| Life::of(&$module::HOST, *stage).live(),
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
    time_namespace "time-namespace",
    exits_aside "exits-aside",
}
