//! A program at its limit of open files (`RLIMIT_NOFILE`), which opens and closes the last
//! ones.

use std::os::fd::{AsRawFd, OwnedFd};

use childwatch_core::{PidWatcher, WatchError};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::life::{Around, Life};
use crate::backend::feature::Feature;
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::limits;

pub(super) const HOST: Host = Host {
    name: "out-of-descriptors",
    is: "a program at its limit of open files, which opens and closes the last ones",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|around| {
        let exits = around.watcher.map(|watcher| Exits::to_come(life, watcher));
        let job = opens_and_closes_the_last(life, around);
        if let Some(exits) = exits {
            exits.come();
        }
        job
    });
}

/// The two numbers below the limit, again and again.
///
/// A watcher may open files in `/proc` for some microseconds now and then, if its documentation
/// says so. Beside one the job is begun again if it lacks a number.
fn opens_and_closes_the_last(life: &Life<'_>, around: Around<'_>) -> Vec<[u64; 2]> {
    let takes_none = life
        .stage()
        .backend()
        .offers(Feature::NoFilesInBetween)
        .is_ok();
    if takes_none || around.watcher.is_none() {
        return last_two_numbers().expect("nobody else opens files");
    }
    let mut numbers = None;
    deadline::until("the watcher leaves the last files to the program", || {
        numbers = last_two_numbers();
        numbers.is_some()
    });
    numbers.expect("`until` has waited for them")
}

/// Each time: how far below the limit the last two numbers are. `None` if there are fewer or
/// more.
fn last_two_numbers() -> Option<Vec<[u64; 2]>> {
    let _few = limits::FewFiles::left(2);
    let limit = limits::open_files_limit().expect("a limit");
    let below = |file: &OwnedFd| limit - u64::from(file.as_raw_fd().unsigned_abs());
    let turn = |_| {
        let (read, write) = last_two()?;
        let third = rustix::io::dup(&read);
        (third.err() == Some(Errno::MFILE)).then(|| [below(&read), below(&write)])
    };
    (0..50).map(turn).collect()
}

fn last_two() -> Option<(OwnedFd, OwnedFd)> {
    match pipe_with(PipeFlags::CLOEXEC) {
        Ok(pipe) => Some(pipe),
        Err(Errno::MFILE) => None,
        Err(error) => panic!("a pipe: {error}"),
    }
}

/// A child that is watched in time, and a second child that is watched when no descriptor is
/// left.
struct Exits<'a> {
    watcher: &'a dyn PidWatcher,
    needs_a_file: bool,
    watched: Box<dyn GatedChild>,
    newcomer: Box<dyn GatedChild>,
    probe: Probe,
}

impl<'a> Exits<'a> {
    fn to_come(life: &Life<'_>, watcher: &'a dyn PidWatcher) -> Self {
        let stage = life.stage();
        let exits = Exits {
            watcher,
            needs_a_file: stage.backend().offers(Feature::FileToRegister).is_ok(),
            watched: stage.child(),
            newcomer: stage.child(),
            probe: Probe::new(),
        };
        let watched = watcher.watch(exits.watched.pid(), exits.probe.callback());
        watched.expect("the watcher takes a child");
        exits
    }

    /// The first exit is reported though no descriptor is left. The newcomer is refused if it
    /// takes a descriptor, and taken once there is one.
    #[track_caller]
    fn come(mut self) {
        let none_left = limits::FewFiles::left(0);
        self.watched.die(End::Code(5));
        let told = self.probe.ran_once().status();
        let late = Probe::new();
        let answer = self.watcher.watch(self.newcomer.pid(), late.callback());
        drop(none_left);
        match answer {
            Ok(_) => {}
            Err(WatchError::ResourceLimit { .. }) if self.needs_a_file => {
                let answer = self.watcher.watch(self.newcomer.pid(), late.callback());
                answer.expect("there are files again");
            }
            Err(error) => panic!("{error:?} where no descriptor is left"),
        }
        assert_eq!(told, self.watched.reap());
        self.newcomer.die(End::Code(6));
        assert_eq!(late.ran_once().status(), self.newcomer.reap());
    }
}
