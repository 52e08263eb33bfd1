//! A tool that joins the mount namespace of a container, as `nsenter` and runtimes do.
//!
//! `setns` fails with `EINVAL` while anybody shares the working directory of the caller, as
//! all threads of a process do.

use super::apart;
use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::deadline;
use crate::kit::sys::threads;
use crate::machine::namespace;

pub(super) const HOST: Host = Host {
    name: "joins-a-namespace",
    is: "a tool that joins mount namespaces",
    needs: &[
        Need::Machine(Facility::PidNamespace),
        Need::Backend(Feature::WithoutProc),
    ],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::NoThread,
        notices: "the watcher is a second thread, so the kernel lets the program join no mount \
                  namespace",
    }],
    live,
};

fn live(life: &Life<'_>) {
    // An ordinary user has the right only there.
    apart::in_a_new_pid_namespace(|| {
        life.goes_on(|around| {
            // The threads of the suite's cases.
            deadline::until("the program has one thread, but for the watcher's", || {
                threads::threads().len() <= 1 + usize::from(around.watcher.is_some())
            });
            let joined = (0..20).map(|_| {
                if around.moment == Moment::Dropped {
                    drop(life.stage().watcher());
                }
                namespace::join_own_mounts().map_err(|error| error.raw_os_error())
            });
            joined.collect::<Vec<_>>()
        });
    });
}
