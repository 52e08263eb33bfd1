//! A program with a plugin that brings a second copy of the library.

use std::process::ExitStatus;
use std::sync::mpsc;

use super::apart;
use super::life::{Around, Life};
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::second_copy::SecondCopy;
use crate::kit::sys::{forwarding, own_handler};

pub(super) const HOST: Host = Host {
    name: "second-copy",
    is: "a program with a plugin that watches the same children by a copy of the library \
         of its own",
    needs: &[Need::Machine(Facility::SecondCopy)],
    exceptions: &[],
    live,
};

/// How many children both copies watch at a time.
const CHILDREN: u8 = 6;

fn live(life: &Life<'_>) {
    forwarding::forward_in_a_loop();
    own_handler::install_counting_handler();
    // The handlers chain in both orders.
    apart::in_a_copy(|| {
        let stage = life.stage();
        stage.settle(&*stage.watcher());
        let plugin = SecondCopy::load();
        life.goes_on_slowly(|around| watch_by_both(life, plugin, around));
    });
    let plugin = SecondCopy::load();
    life.goes_on(|around| watch_by_both(life, plugin, around));
}

/// The status of a child that the plugin reports by `SIGCHLD` and by a pidfd.
type Seen = (Option<ExitStatus>, Option<ExitStatus>);

fn watch_by_both(life: &Life<'_>, plugin: SecondCopy, around: Around<'_>) -> Vec<Seen> {
    let by_sigchld = plugin.by_sigchld().expect("a watcher of the second copy");
    let by_pidfd = plugin.by_pidfd();
    let is_real = life
        .stage()
        .backend()
        .offers(Feature::RealProcesses)
        .is_ok();
    let ours = around.watcher.filter(|_| is_real);
    let watched = (0..CHILDREN).map(|code| {
        let (child, probe) = (RealNursery.spawn(), Probe::new());
        let (tell_first, first) = mpsc::channel();
        let (tell_second, second) = mpsc::channel();
        by_sigchld.watch(child.pid(), tell_first);
        match &by_pidfd {
            Some(by_pidfd) => by_pidfd.watch(child.pid(), tell_second),
            None => drop(tell_second.send(None)),
        }
        if let Some(ours) = ours {
            let watched = ours.watch(child.pid(), probe.callback());
            watched.expect("the watcher takes a child");
        }
        (code, child, probe, first, second)
    });
    let watched: Vec<_> = watched.collect();
    let seen = watched
        .into_iter()
        .map(|(code, mut child, probe, first, second)| {
            let before = own_handler::child_signals();
            child.die(End::Code(code));
            // The handlers that are installed over it call it.
            deadline::until("the program's own handler has run", || {
                own_handler::child_signals() != before
            });
            let patience = deadline::patience();
            let first = first.recv_timeout(patience);
            let second = second.recv_timeout(patience);
            let ours = ours.map(|_| probe.ran_once().status());
            let status = child.reap();
            assert!(ours.is_none_or(|told| told == status));
            let first = first.expect("the plugin's report by SIGCHLD");
            (first, second.expect("the plugin's report by a pidfd"))
        });
    seen.collect()
}
