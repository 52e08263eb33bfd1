//! A plain program: it starts children and waits for each.

use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::actor::Role;

pub(super) const HOST: Host = Host {
    name: "plain",
    is: "a program that starts children and waits for them",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        let codes = 0..20;
        codes.map(exits_with).collect::<Vec<_>>()
    });
}

/// What the program's own `wait` says of a child that exits with this code.
pub(super) fn exits_with(code: i32) -> Option<i32> {
    let mut command = Role::Exit.command();
    let status = command.arg(code.to_string()).status();
    status.expect("a child").code()
}
