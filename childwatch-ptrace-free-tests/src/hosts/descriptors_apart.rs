//! A server with a worker thread that has a table of descriptors of its own
//! (`unshare(CLONE_FILES)`, or `close_range` with `CLOSE_RANGE_UNSHARE`).
//!
//! On such a thread the number of a library's file leads to another file, or to none. `poll`
//! calls a number ready that leads nowhere (`POLLNVAL`).

use std::fs::File;
use std::io::Read;
use std::sync::mpsc;
use std::thread;

use childwatch_core::{Exit, Pid, PidWatcher};

use super::life::Life;
use crate::backend::stage::Stage;
use crate::hosts::host::Host;
use crate::kit::child::End;
use crate::kit::probe::Probe;
use crate::kit::sys::threads;

pub(super) const HOST: Host = Host {
    name: "descriptors-apart",
    is: "a server with a worker thread that has a table of descriptors of its own",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|around| {
        if let Some(watcher) = around.watcher {
            for has_files in [false, true] {
                a_living_child_is_no_exit(life.stage(), &**watcher, has_files);
            }
        }
        let job = || {
            threads::leave_the_table_of_files();
            files().iter_mut().all(|file| file.read(&mut [1]).is_ok())
        };
        thread::scope(|scope| scope.spawn(job).join().expect("the worker works"))
    });
}

/// The worker asks for a child that was registered after its table was its own.
#[track_caller]
fn a_living_child_is_no_exit(stage: &Stage<'_>, watcher: &dyn PidWatcher, has_files: bool) {
    let (mut child, probe) = (stage.child(), Probe::new());
    let (ask, asked) = mpsc::channel::<Pid>();
    let (answer, answered) = mpsc::channel::<Option<Exit>>();
    thread::scope(|scope| {
        let (apart, is_apart) = mpsc::channel();
        scope.spawn(move || {
            threads::leave_the_table_of_files();
            let _files = if has_files { files() } else { Vec::new() };
            apart.send(()).expect("the server waits");
            let pid = asked.recv().expect("the server asks");
            let exit = watcher.try_wait(pid).expect("the child is registered");
            answer.send(exit).expect("the server waits");
        });
        is_apart.recv().expect("the worker has begun");
        let watched = watcher.watch(child.pid(), probe.callback());
        watched.expect("the watcher takes a child");
        ask.send(child.pid()).expect("the worker waits");
        let exit = answered.recv().expect("the worker answers");
        assert_eq!(exit, None, "a child is found dead that lives");
    });
    child.die(End::Code(3));
    assert_eq!(probe.ran_once().status(), child.reap());
}

/// Files that are readable at all times.
fn files() -> Vec<File> {
    let open = || File::open("/dev/zero").expect("/dev/zero");
    (0..20).map(|_| open()).collect()
}
