//! A program that was started without standard input and output, and opens them late, as
//! daemons do.
//!
//! The kernel gives every new file the lowest free number. If a library's file has number 0,
//! the library loses it when the program calls `daemon(3)`. That call replaces the files 0 to
//! 2 by `/dev/null`, whatever they are. What the program prints before that goes to that file.

use childwatch_core::PidWatcher;

use super::life::{Around, Life};
use crate::backend::stage::Stage;
use crate::hosts::exception::Moment;
use crate::hosts::host::Host;
use crate::kit::child::End;
use crate::kit::probe::Probe;
use crate::kit::sys::streams;

pub(super) const HOST: Host = Host {
    name: "without-streams",
    is: "a daemon that was started without standard input and output, and opens them late",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    streams::open_streams_as_a_daemon();
    life.goes_on(|around| {
        if let Some(watcher) = around.watcher {
            watch_without_streams(life.stage(), watcher);
        }
        streams::open_streams_as_a_daemon();
        let streams = streams::streams_lead_nowhere();
        closed_for_the_first_watcher(around);
        streams
    });
    streams::open_streams_as_a_daemon();
}

/// The watcher that is made next has their numbers to choose from.
fn closed_for_the_first_watcher(around: Around<'_>) {
    if around.moment == Moment::Without {
        streams::close_streams();
    }
}

/// Registers a child while the streams are closed, and opens them before it exits.
fn watch_without_streams(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    // Whatever has the numbers since the watcher was made.
    streams::open_streams_as_a_daemon();
    let (mut child, probe) = (stage.child(), Probe::new());
    streams::close_streams();
    let watched = watcher.watch(child.pid(), probe.callback());
    streams::open_streams_as_a_daemon();
    watched.expect("the watcher takes a child");
    child.die(End::Code(3));
    let told = probe.ran_once().status();
    assert_eq!(told, child.reap());
}
