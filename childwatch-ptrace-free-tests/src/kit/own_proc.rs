//! What `/proc` says about this process, also where the program does not see it.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Under this name in `/proc` the suite sees what the program does not.
pub(crate) const KEPT: &str = "kept-for-the-suite";

static IS_HIDDEN: AtomicBool = AtomicBool::new(false);

/// Notes that the program sees an empty `/proc` from now on, with the real one in [`KEPT`].
pub(crate) fn set_hidden() {
    IS_HIDDEN.store(true, Ordering::SeqCst);
}

/// The path of a file about this process in the `/proc` that the suite sees.
pub(crate) fn in_own_proc(file: &str) -> PathBuf {
    let mut path = PathBuf::from("/proc");
    if IS_HIDDEN.load(Ordering::SeqCst) {
        path.push(KEPT);
    }
    path.join("self").join(file)
}

/// This program's own file, which `/proc` tells. It is remembered, so that actors can be
/// started where `/proc` has been hidden since.
///
/// # Panics
///
/// When `/proc` has never told it.
pub(crate) fn this_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| env::current_exe().expect("this program's own file"))
}
