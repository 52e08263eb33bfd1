//! Process 1 of a guest: mounts what the suite uses, starts it, reaps what it
//! leaves behind, and switches the machine off.

use std::env;
use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, WaitStatus, setrlimit, wait};
use rustix::system::{RebootCommand, reboot};

use super::program::GUEST;

/// A file system without a device.
pub(super) struct Mount {
    kind: &'static str,
    pub(super) target: &'static str,
}

pub(super) const MOUNTS: &[Mount] = &[
    mount_of("devtmpfs", "/dev"),
    mount_of("devpts", "/dev/pts"),
    mount_of("proc", "/proc"),
    mount_of("sysfs", "/sys"),
    mount_of("tmpfs", "/tmp"),
];

const fn mount_of(kind: &'static str, target: &'static str) -> Mount {
    Mount { kind, target }
}

/// The limit on open files, which is more than any case needs.
const OPEN_FILES: u64 = 65_536;

/// Returns only if the machine cannot be switched off. Process 1 then exits, the kernel
/// panics, and the panic ends the machine.
pub(super) fn main() -> anyhow::Result<()> {
    if let Err(error) = run_suite() {
        // The host shows the console's last lines.
        println!("error: {error:#}");
    }
    reboot(RebootCommand::PowerOff).context("the machine can't be switched off")
}

fn run_suite() -> anyhow::Result<()> {
    for Mount { kind, target } in MOUNTS {
        fs::create_dir_all(target).with_context(|| format!("{target} can't be made"))?;
        mount(*kind, *target, *kind, MountFlags::empty(), None)
            .with_context(|| format!("{kind} can't be mounted on {target}"))?;
    }
    silence_the_kernel()?;
    raise_open_files()?;
    let suite = Command::new(env::current_exe()?).arg(GUEST).spawn()?;
    let status = reap_until_end_of(Pid::from_child(&suite))?;
    ensure!(
        status.exit_status() == Some(0),
        "the suite ended with {status:?}"
    );
    Ok(())
}

/// Leaves the console to the suite. A panic is still shown, because it makes the console
/// verbose again.
fn silence_the_kernel() -> anyhow::Result<()> {
    fs::write("/proc/sys/kernel/printk", "1").context("the kernel can't be silenced")
}

/// Service managers do the same. The kernel's own limit is 1,024, and 4,096 at most.
fn raise_open_files() -> anyhow::Result<()> {
    let raised = Rlimit {
        current: Some(OPEN_FILES),
        maximum: Some(OPEN_FILES),
    };
    setrlimit(Resource::Nofile, raised).context("RLIMIT_NOFILE can't be raised")
}

/// Process 1 reaps orphans.
fn reap_until_end_of(suite: Pid) -> anyhow::Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == suite => return Ok(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("the suite can't be waited for"),
        }
    }
}
