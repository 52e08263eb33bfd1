//! [`raise`]: thousands of children that are reaped before their watcher can look.

use std::io;
use std::sync::mpsc;
use std::thread;

use childwatch_core::{Exit, PidWatcher, PidWatcherExt};
use rustix::process::{WaitOptions, waitpid};

use crate::kit::crowd::Crowd;
use crate::kit::deadline;
use crate::kit::sys::death;
use crate::kit::sys::signals::SigchldAction;

/// Who reaps the children of a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaper {
    /// The kernel, because `SIGCHLD` is ignored.
    Ignored,
    /// The kernel, because of `SA_NOCLDWAIT`.
    NoChildWait,
    /// A thread of this process, which waits for any child.
    Thread,
}

/// What a storm's watcher has reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Exits with their own status.
    pub truly: usize,
    /// Exits without a status.
    pub without_status: usize,
    /// Exits with a status that is not theirs.
    pub falsely: usize,
    /// Exits that were not reported in time.
    pub lost: usize,
}

/// Children that live at one time.
const WAVE: usize = 250;

/// Has `children` children exit in waves, watched and reaped by `reaper`. Children that
/// this process has besides are reaped too. The storm ends with the first wave of which an
/// exit is lost.
///
/// # Errors
///
/// When there is no room for a wave, or a child cannot be watched.
pub fn raise(watcher: &dyn PidWatcher, reaper: Reaper, children: usize) -> io::Result<Told> {
    let _action = match reaper {
        Reaper::Ignored => Some(SigchldAction::ignored()),
        Reaper::NoChildWait => Some(SigchldAction::no_child_wait()),
        Reaper::Thread => None,
    };
    let mut told = Told::default();
    let mut left = children;
    while left > 0 && told.lost == 0 {
        let wave = left.min(WAVE);
        raise_wave(watcher, reaper, wave, &mut told)?;
        left -= wave;
    }
    Ok(told)
}

fn raise_wave(
    watcher: &dyn PidWatcher,
    reaper: Reaper,
    children: usize,
    told: &mut Told,
) -> io::Result<()> {
    let (mut crowd, gate) = Crowd::gather(children)?;
    let (tell, exits) = mpsc::channel();
    for member in crowd.members() {
        let (tell, code) = (tell.clone(), member.code());
        let watched = watcher.on_exit(member.pid(), move |exit| {
            // The receiver goes when it has waited long enough.
            let _ = tell.send((exit, code));
        });
        watched.map_err(io::Error::other)?;
    }
    drop(tell);
    thread::scope(|scope| {
        if reaper == Reaper::Thread {
            // It does not sleep, so that it is as quick as the watcher. ECHILD: all are
            // reaped.
            let options = death::wall() | WaitOptions::NOHANG;
            scope.spawn(move || while waitpid(None, options).is_ok() {});
        }
        drop(gate);
        for left in (1..=children).rev() {
            let Ok((exit, code)) = exits.recv_timeout(deadline::patience()) else {
                told.lost += left;
                break;
            };
            told.enter(exit, code);
        }
    });
    // None is left to reap, but each must be known to be gone.
    for member in crowd.members() {
        member.reap();
    }
    Ok(())
}

impl Told {
    fn enter(&mut self, exit: Exit, code: i32) {
        match exit.status() {
            None => self.without_status += 1,
            Some(status) if status.code() == Some(code) => self.truly += 1,
            Some(_) => self.falsely += 1,
        }
    }
}
