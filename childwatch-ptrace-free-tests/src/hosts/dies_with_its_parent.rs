//! A program whose children ask to be killed when their parent dies (`PR_SET_PDEATHSIG`).
//!
//! The kernel means the thread that has started the child. If a library starts children on a
//! thread of its own, they die when that thread ends, and not with the program.

use super::life::{Around, Life};
use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::hosts::host::Host;
use crate::kit::actor::{Actor, Role};
use crate::kit::sys::birth;

pub(super) const HOST: Host = Host {
    name: "dies-with-its-parent",
    is: "a program whose children are killed when the thread ends that has started them",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    let mut children: Vec<Actor> = Vec::new();
    life.goes_on(|around| {
        let mut child = started(life.stage(), around);
        child.wait_until_ready();
        children.push(child);
        let live_on = |child: &mut Actor| matches!(child.child().try_wait(), Ok(None));
        children.iter_mut().all(live_on)
    });
}

/// A child that the watcher starts, if it can.
fn started(stage: &Stage<'_>, around: Around<'_>) -> Actor {
    let mut command = Role::Wait.command();
    birth::kill_with_its_starter(&mut command);
    let backend = stage.backend();
    let can_watch = backend.offers(Feature::RealProcesses).is_ok();
    let child = match around.watcher.filter(|_| can_watch) {
        Some(watcher) => {
            let child = backend.spawn_watchable(watcher, &mut command);
            child.inspect(|child| watcher.unregister_pid(child.into()))
        }
        None => command.spawn(),
    };
    Actor::direct(child.expect("a child"))
}
