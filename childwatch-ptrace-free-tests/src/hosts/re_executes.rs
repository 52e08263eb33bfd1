//! A program that executes itself anew, as on an upgrade, and goes on with the children that
//! it has.

#![expect(
    unsafe_code,
    reason = "descriptors that the image before has left open"
)]

use std::env;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use childwatch_core::{Pid, PidWatcher};

use super::life::{Around, Life};
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::Moment;
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::probe::Probe;
use crate::kit::sys::{birth, death, receive, signals};
use crate::kit::{alone, deadline, own_proc};

pub(super) const HOST: Host = Host {
    name: "re-executes",
    is: "a program that executes itself anew, and watches the children that it then has",
    needs: &[Need::Backend(Feature::RealProcesses)],
    exceptions: &[],
    live,
};

/// Which image of the program this is.
const IMAGE: &str = "CHILDWATCH_HOST_IMAGE";
/// The workers that the first image has started: the number and the gate of each.
const WORKERS: &str = "CHILDWATCH_HOST_WORKERS";
/// What the second image has found, which was executed without a watcher.
const FOUND: &str = "CHILDWATCH_HOST_FOUND";

/// How many workers live on until the last image. They are enough for each moment.
const CREW: usize = 10;

fn live(life: &Life<'_>) {
    alone::end_with_the_runner();
    let image = env::var(IMAGE).ok().and_then(|image| image.parse().ok());
    match image.unwrap_or(0) {
        0 => {
            let crew: Vec<_> = (0..CREW)
                .map(|_| RealChild::fork(birth::Birth::default()))
                .collect();
            let crew: Vec<_> = crew.into_iter().map(RealChild::leave).collect();
            execute(1, &[(WORKERS, write(&crew))])
        }
        1 => {
            let found = format!("{:?}", found());
            with_an_idle_watcher(life, &[(FOUND, found)])
        }
        2 => assert_as_without("with an idle watcher", || while_it_watches(life)),
        3 => assert_as_without("while it watches", || in_a_callback(life)),
        4 => assert_as_without("in a callback", || after_its_last_child(life)),
        5 => assert_as_without("after its last child", || after_it_was_dropped(life)),
        6 => assert_as_without("after it was dropped", || goes_on_with_the_crew(life)),
        _ => assert!(!death::has_children(), "the crew has been reaped"),
    }
}

/// Compares what this image has found with what one finds that is executed without a watcher.
#[track_caller]
fn assert_as_without(moment: &str, next: impl FnOnce()) {
    let without = env::var(FOUND).expect("the second image has told it");
    assert_eq!(format!("{:?}", found()), without, "executed {moment}");
    next();
}

/// The descriptors of this image, its signals, and how many workers live.
fn found() -> (Vec<(RawFd, String)>, Vec<String>, usize) {
    let files = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    let files = files.flatten().filter_map(|file| {
        let target = fs::read_link(file.path()).ok()?.display().to_string();
        let number = file.file_name().to_str()?.parse().ok()?;
        // The listing's own.
        (!target.starts_with("/proc/")).then_some((number, target))
    });
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    let names = ["SigBlk:", "SigIgn:", "SigPnd:", "ShdPnd:", "Threads:"];
    let signals = signals::signals_in_own_status(&names);
    let lives = |(pid, _): &(Pid, RawFd)| death::is_child(*pid) && !death::is_waitable(*pid);
    let living = workers().into_iter().filter(lives).count();
    (files, signals, living)
}

fn with_an_idle_watcher(life: &Life<'_>, variables: &[(&str, String)]) {
    let _watcher = life.stage().watcher();
    execute(2, variables);
}

fn while_it_watches(life: &Life<'_>) {
    let watcher = life.stage().watcher();
    for (pid, _) in workers() {
        let watched = watcher.watch(pid, Box::new(|_| unreachable!("the worker lives on")));
        watched.expect("the watcher takes an inherited child");
    }
    execute(3, &[]);
}

fn in_a_callback(life: &Life<'_>) {
    let watcher = life.stage().watcher();
    let mut child = RealChild::fork(birth::Birth::default());
    let pid = child.pid();
    let executes = move |_| {
        child.reap();
        drop(child);
        execute(4, &[]);
    };
    let watched = watcher.watch(pid, Box::new(executes));
    watched.expect("the watcher takes a child");
    death::kill(pid);
    deadline::until("the callback executes the program anew", || false);
}

fn after_its_last_child(life: &Life<'_>) {
    let watcher = life.stage().watcher();
    life.stage().settle(&*watcher);
    deadline::until("no thread of the watcher takes signals", || {
        receive::threads_that_let_through(libc::SIGCHLD).len() <= 1
    });
    execute(5, &[]);
}

fn after_it_was_dropped(life: &Life<'_>) {
    let watcher = life.stage().watcher();
    life.stage().settle(&*watcher);
    drop(watcher);
    execute(6, &[]);
}

/// The job of the last image but one, at each moment: a part of the crew is watched, exits and
/// is reaped.
fn goes_on_with_the_crew(life: &Life<'_>) {
    let crew = workers().into_iter().map(|(pid, gate)| {
        // SAFETY: the number is of a pipe that the first image has left open for this one, and
        // no other value here owns it.
        RealChild::inherited(pid, unsafe { OwnedFd::from_raw_fd(gate) })
    });
    let mut crew: Vec<_> = crew.collect();
    life.goes_on(|around| {
        let from = crew.len() - CREW / 5;
        let part = crew.drain(from..);
        (10..)
            .zip(part)
            .map(|(code, worker)| exits_with(around, worker, code))
            .collect::<Vec<_>>()
    });
    drop(crew);
    execute(7, &[]);
}

fn exits_with(around: Around<'_>, mut worker: RealChild, code: u8) -> Option<i32> {
    let probe = Probe::new();
    let watch = |watcher: &Arc<dyn PidWatcher>| watcher.watch(worker.pid(), probe.callback());
    let watched = around.watcher.map(watch).transpose();
    let watched = watched.expect("the watcher takes an inherited child");
    worker.die(End::Code(code));
    if watched.is_some() {
        let told = probe.ran_once().status();
        assert_eq!(told.and_then(|told| told.code()), Some(code.into()));
    } else {
        assert!(matches!(around.moment, Moment::Without | Moment::Dropped));
    }
    worker.reap().and_then(|status| status.code())
}

/// Executes this program in its own place, as the next image of the same cell.
fn execute(image: usize, variables: &[(&str, String)]) -> ! {
    let mut command = Command::new(own_proc::this_program());
    command
        .args(env::args_os().skip(1))
        .env(IMAGE, image.to_string());
    for (name, value) in variables {
        command.env(name, value);
    }
    let error = command.exec();
    panic!("this program can't be executed: {error}");
}

fn write(crew: &[(Pid, OwnedFd)]) -> String {
    let write = |(pid, gate): &(Pid, OwnedFd)| format!("{pid}:{}", gate.as_raw_fd());
    crew.iter().map(write).collect::<Vec<_>>().join(" ")
}

fn workers() -> Vec<(Pid, RawFd)> {
    let text = env::var(WORKERS).expect("the first image has told them");
    let read = |worker: &str| {
        let (pid, gate) = worker.split_once(':')?;
        Some((pid.parse().ok()?, gate.parse().ok()?))
    };
    text.split(' ').filter_map(read).collect()
}
