//! The kernel of this machine.

use rustix::system::uname;

/// Returns its name and release, such as `Linux 6.18.44`.
pub fn release() -> String {
    let uname = uname();
    let (name, release) = (uname.sysname(), uname.release());
    format!("{} {}", name.to_string_lossy(), release.to_string_lossy())
}
