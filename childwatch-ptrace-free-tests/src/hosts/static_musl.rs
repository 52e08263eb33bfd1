//! This very program, linked statically with musl.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use super::anew;
use super::inherited::signals_of_a_new_program;
use super::life::Life;
use super::plain;
use crate::actor;
use crate::backend::Need;
use crate::child::{End, Nursery, RealNursery};
use crate::host::Host;

pub(super) const HOST: Host = Host {
    name: "static-musl",
    is: "this program, linked statically with musl",
    needs: &[Need::StaticProgram],
    exceptions: &[],
    live,
};

/// What cargo calls the program.
const PROGRAM: &str = "childwatch-conformance";

/// Names the program's file, if it is not where cargo puts it.
const VARIABLE: &str = "CHILDWATCH_STATIC_PROGRAM";

fn live(life: &Life<'_>) {
    if !IS_STATIC {
        let program = static_program().expect("the needs have been looked at");
        anew::through(Command::new(program), || {});
        unreachable!("the other program plays the host");
    }
    life.goes_on(|_| {
        let mut killed = RealNursery.spawn();
        killed.die(End::Signal(libc::SIGTERM as u8));
        let codes: Vec<_> = (0..10).map(plain::exits_with).collect();
        (codes, killed.reap(), signals_of_a_new_program())
    });
}

/// Whether the running program is such a one.
const IS_STATIC: bool = cfg!(all(target_env = "musl", target_feature = "crt-static"));

/// The program's file, if it has been built: beside the running program's, in cargo's target
/// directory.
///
/// # Errors
///
/// Where it is not, and how to build it.
pub(crate) fn static_program() -> Result<PathBuf, String> {
    let running = actor::this_program();
    if IS_STATIC {
        return Ok(running.to_owned());
    }
    let target = musl();
    let beside = || {
        // `target/debug/NAME`, `target/debug/deps/NAME`, or `target/TRIPLE/debug/NAME`.
        let directory = running.parent()?;
        let is_inside = directory.ends_with("deps") || directory.ends_with("examples");
        let profile = if is_inside {
            directory.parent()?
        } else {
            directory
        };
        let above = profile.ancestors().skip(1).take(2);
        let mut files = above.map(|above| {
            let directory = above.join(&target).join(profile.file_name()?);
            Some(directory.join(PROGRAM))
        });
        files.find_map(|file| file.filter(|file| file.is_file()))
    };
    let named = env::var_os(VARIABLE).map(PathBuf::from);
    named.or_else(beside).ok_or_else(|| {
        format!(
            "this program has not been built with musl: `cargo build -p \
             childwatch-ptrace-free-tests --target {target}`, or set {VARIABLE}"
        )
    })
}

fn musl() -> String {
    format!("{}-unknown-linux-musl", env::consts::ARCH)
}
