//! This program, linked statically with musl: whether it was built, and where.

use std::env;
use std::path::PathBuf;

use crate::kit::own_proc;

/// What cargo calls the program.
const PROGRAM: &str = "childwatch-conformance";

/// Names the program's file, if it is not where cargo puts it.
const VARIABLE: &str = "CHILDWATCH_STATIC_PROGRAM";

/// Whether the running program is such a one.
pub(crate) const IS_STATIC: bool = cfg!(all(target_env = "musl", target_feature = "crt-static"));

/// The program's file, if it has been built: beside the running program's, in cargo's target
/// directory.
///
/// # Errors
///
/// Where it is not, and how to build it.
pub(crate) fn file() -> Result<PathBuf, String> {
    let running = own_proc::this_program();
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
            "this program has not been built with musl: build it with `--target {target}` too, \
             or name the file in {VARIABLE}"
        )
    })
}

/// Rust's name of this machine with musl.
fn musl() -> String {
    match env::consts::ARCH {
        "arm" => "armv7-unknown-linux-musleabihf".to_owned(),
        "riscv64" => "riscv64gc-unknown-linux-musl".to_owned(),
        "x86" => "i686-unknown-linux-musl".to_owned(),
        architecture => format!("{architecture}-unknown-linux-musl"),
    }
}
