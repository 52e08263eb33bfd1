//! A program with a plugin that brings a second copy of the library.

use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::Duration;

use super::apart;
use super::life::{Around, Life};
use crate::backend::Need;
use crate::child::{End, Nursery, RealNursery};
use crate::deadline;
use crate::host::Host;
use crate::probe::Probe;
use crate::sys::{self, SecondCopy};

pub(super) const HOST: Host = Host {
    name: "second-copy",
    is: "a program with a plugin that watches the same children by a copy of the library \
         of its own",
    needs: &[Need::SecondCopy],
    exceptions: &[],
    live,
};

/// How many children both copies watch at a time.
const CHILDREN: u8 = 6;

/// A handler that is called runs before the program knows of the exit.
const A_MOMENT: Duration = Duration::from_secs(1);

fn live(life: &Life<'_>) {
    sys::forward_in_a_loop();
    sys::install_counting_handler();
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

/// What is seen of a child: the status that the plugin reports by `SIGCHLD` and by a pidfd,
/// and whether the program's own handler has run.
type Seen = (Option<ExitStatus>, Option<ExitStatus>, bool);

fn watch_by_both(life: &Life<'_>, plugin: SecondCopy, around: Around<'_>) -> Vec<Seen> {
    let by_sigchld = plugin.by_sigchld().expect("a watcher of the second copy");
    let by_pidfd = plugin.by_pidfd();
    let is_real = life.stage().backend().offers(Need::RealProcesses).is_ok();
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
            let before = sys::child_signals();
            child.die(End::Code(code));
            let patience = deadline::patience();
            let first = first.recv_timeout(patience).expect("their exit by SIGCHLD");
            let second = second
                .recv_timeout(patience)
                .expect("their exit by a pidfd");
            let is_handled = deadline::holds_within(A_MOMENT, || sys::child_signals() != before);
            let ours = ours.map(|_| probe.ran_once().status());
            let status = child.reap();
            assert!(ours.is_none_or(|told| told == status));
            (first, second, is_handled)
        });
    seen.collect()
}
