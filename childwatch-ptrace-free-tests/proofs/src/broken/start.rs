//! C2, C16 and C18: backends whose `spawn_watchable`, `spawn_watched` or `fork_watchable` does harm.

#![expect(unsafe_code, reason = "`fork_watchable` with a fault")]

use std::convert::Infallible;
use std::io;
use std::process::{Child, Command};

use childwatch_core::{ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};
use rustix::pipe::{PipeFlags, pipe_with};

use super::entry::Fails::Saying;
use super::entry::{Broken, ON_PIDFDS, Rule};
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C2, C16, C18};
use childwatch_ptrace_free_tests::Feature;
use childwatch_ptrace_free_tests::kit::sys::birth;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "leaves-a-refused-command",
        fault: "A spawned child whose registration is refused lives on.",
        breaks: Rule::Clause(C2),
        claims: &Starts {
            spawn: leaves_it,
            ..GOOD
        },
        fails: &[(
            "a_refused_spawn_leaves_nothing_that_is_still_its_own",
            Saying("the refused child's end"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "kills-a-number",
        fault: "When a registration is refused it kills whoever has the child's number by then.",
        breaks: Rule::Clause(C2),
        claims: &Starts {
            spawn: kills_a_number,
            ..GOOD
        },
        fails: &[
            (
                "a_refused_spawn_signals_no_successor",
                Saying("the successor was signalled"),
            ),
            (
                "a_refused_spawn_leaves_nothing_that_is_still_its_own",
                Saying("the refused child's end"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "leaves-a-refused-command-with-a-callback",
        fault: "A child that is spawned with a callback lives on if it is refused.",
        breaks: Rule::Clause(C2),
        claims: &Starts {
            spawn_watched: leaves_it_with_its_callback,
            ..GOOD
        },
        fails: &[(
            "a_refused_spawn_with_a_callback_leaves_nothing",
            Saying("the refused child is left"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "spawns-and-stays-registered",
        fault: "The registration of a child that is spawned with a callback outlasts the callback.",
        breaks: Rule::Clause(C16),
        claims: &Starts {
            spawn_watched: stays_registered,
            ..GOOD
        },
        fails: &[(
            "a_spawn_with_a_callback_leaves_nothing_to_unregister",
            Saying("a registration is left"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "waits-at-the-gate",
        fault: "A forked child whose registration is refused stays at its gate.",
        breaks: Rule::Clause(C2),
        claims: &Starts {
            fork: waits_at_the_gate,
            ..GOOD
        },
        fails: &[(
            "a_refused_fork_leaves_nothing",
            Saying("the refused child is left"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "lets-go-of-the-dead",
        fault: "It writes to a forked child that has died, which is a SIGPIPE.",
        breaks: Rule::Clause(C18),
        claims: &Starts {
            fork: lets_go_of_the_dead,
            ..GOOD
        },
        fails: &[(
            "a_forked_child_that_dies_early_is_no_signal_to_its_parent",
            Saying("SIGPIPE"),
        )],
        ..ON_PIDFDS
    },
];

/// A pidfd backend with ways of its own to start children.
struct Starts {
    spawn: fn(&dyn PidWatcher, &mut Command) -> io::Result<Child>,
    spawn_watched: SpawnWatched,
    fork: unsafe fn(&dyn PidWatcher, Body) -> io::Result<Pid>,
}

type SpawnWatched =
    fn(&dyn PidWatcher, &mut Command, ExitCallback) -> io::Result<(Child, WatchHandle)>;

/// What a forked child runs.
type Body = fn() -> Infallible;

const GOOD: Starts = Starts {
    spawn: |watcher, command| Pidfd.spawn_watchable(watcher, command),
    spawn_watched: |watcher, command, callback| Pidfd.spawn_watched(watcher, command, callback),
    fork: good_fork,
};

/// # Safety
///
/// As the extension's.
unsafe fn good_fork(watcher: &dyn PidWatcher, child: Body) -> io::Result<Pid> {
    // SAFETY: the caller's promise.
    unsafe { Pidfd.fork_watchable(watcher, child) }
}

impl BackendUnderTest for Starts {
    fn name(&self) -> &'static str {
        Pidfd.name()
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Pidfd.watcher()
    }

    fn is_available(&self) -> Result<(), String> {
        Pidfd.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        Pidfd.offers(feature)
    }

    fn spawn_watchable(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
    ) -> io::Result<Child> {
        (self.spawn)(watcher, command)
    }

    fn spawn_watched(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
        callback: ExitCallback,
    ) -> io::Result<(Child, WatchHandle)> {
        (self.spawn_watched)(watcher, command, callback)
    }

    unsafe fn fork_watchable(&self, watcher: &dyn PidWatcher, child: Body) -> io::Result<Pid> {
        // SAFETY: the caller's promise.
        unsafe { (self.fork)(watcher, child) }
    }
}

fn leaves_it(watcher: &dyn PidWatcher, command: &mut Command) -> io::Result<Child> {
    let child = command.spawn()?;
    watcher.register_pid(Pid::from(&child))?;
    Ok(child)
}

fn leaves_it_with_its_callback(
    watcher: &dyn PidWatcher,
    command: &mut Command,
    callback: ExitCallback,
) -> io::Result<(Child, WatchHandle)> {
    let child = command.spawn()?;
    let handle = watcher.watch(Pid::from(&child), callback)?;
    Ok((child, handle))
}

fn stays_registered(
    watcher: &dyn PidWatcher,
    command: &mut Command,
    callback: ExitCallback,
) -> io::Result<(Child, WatchHandle)> {
    let child = Pidfd.spawn_watchable(watcher, command)?;
    let handle = watcher.register_callback(Pid::from(&child), callback)?;
    Ok((child, handle))
}

fn kills_a_number(watcher: &dyn PidWatcher, command: &mut Command) -> io::Result<Child> {
    let mut child = command.spawn()?;
    if let Err(refused) = watcher.register_pid(Pid::from(&child)) {
        child.kill()?;
        child.wait().ok();
        return Err(refused.into());
    }
    Ok(child)
}

/// # Safety
///
/// As the extension's.
unsafe fn waits_at_the_gate(watcher: &dyn PidWatcher, child: Body) -> io::Result<Pid> {
    let (gate, opener) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the caller's promise; the read before it is a system call.
    let pid = unsafe {
        birth::fork_copy(|| match rustix::io::read(&gate, &mut [0]) {
            Ok(1) => match child() {},
            _ => 0,
        })
    }?;
    watcher.register_pid(pid)?;
    rustix::io::write(&opener, &[1])?;
    Ok(pid)
}

/// # Safety
///
/// As the extension's.
unsafe fn lets_go_of_the_dead(watcher: &dyn PidWatcher, child: Body) -> io::Result<Pid> {
    let (gate, opener) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the caller's promise; the read before it is a system call.
    let pid = unsafe {
        birth::fork_copy(|| match rustix::io::read(&gate, &mut [0]) {
            Ok(1) => match child() {},
            _ => 0,
        })
    }?;
    drop(gate);
    watcher.register_pid(pid)?;
    let _ = rustix::io::write(&opener, &[1]);
    Ok(pid)
}
