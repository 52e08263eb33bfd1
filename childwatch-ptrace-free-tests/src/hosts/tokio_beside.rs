//! A program that waits for children of its own by tokio, on both of its runtimes.

use std::process::Stdio;

use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};

use super::apart;
use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::actor::Role;
use crate::kit::sys::{forwarding, own_handler};

pub(super) const HOST: Host = Host {
    name: "tokio",
    is: "a program that waits for its children by tokio, which has pidfds where there are \
         some",
    needs: &[],
    exceptions: &[],
    live,
};

/// How many children a runtime waits for at a time.
const CHILDREN: u8 = 8;

fn live(life: &Life<'_>) {
    beside(life, |job| job());
}

/// Lives beside tokio, whose runtimes are made and used within `around`.
pub(super) fn beside(life: &Life<'_>, around: impl Fn(&(dyn Fn() -> Seen + Sync)) -> Seen) {
    forwarding::forward_in_a_loop();
    own_handler::install_counting_handler();
    // tokio keeps descriptors open for as long as the process lives.
    apart::in_a_copy(|| life.goes_on(|_| around(&wait_by_both)));
}

/// The codes that a runtime has waited for, of each runtime.
pub(super) type Seen = [Vec<Option<i32>>; 2];

fn wait_by_both() -> Seen {
    let current = Builder::new_current_thread().enable_all().build();
    let many = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    [current, many].map(|runtime| wait_by(&runtime.expect("a runtime")))
}

fn wait_by(runtime: &Runtime) -> Vec<Option<i32>> {
    runtime.block_on(async {
        let children = (0..CHILDREN).map(|code| {
            let mut command = Command::from(Role::Exit.command());
            command.arg(code.to_string());
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let mut child = command.spawn().expect("a child");
            tokio::spawn(async move { child.wait().await })
        });
        let children: Vec<_> = children.collect();
        let mut codes = Vec::new();
        for child in children {
            let status = child.await.expect("a task").expect("a status");
            codes.push(status.code());
        }
        codes
    })
}
