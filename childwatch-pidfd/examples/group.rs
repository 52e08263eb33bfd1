//! Ends a whole process group in the moment before its leader is reaped.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use childwatch_pidfd::{PidWatcherExt, PidfdWatcher};
use rustix::process::{Pid, Signal, kill_process_group};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watcher = PidfdWatcher::new()?;
    let (sender, receiver) = mpsc::channel();
    // The shell leads a process group, and leaves a `sleep` behind.
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 1000 & exit 3"]).process_group(0);
    command.stdout(Stdio::null());
    let (mut leader, _handle) = watcher.spawn_watched(&mut command, move |exit| {
        // The leader is not reaped yet, so no other group can have this number.
        let killed = Pid::from_raw(exit.pid().as_raw())
            .is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
        let _ = sender.send((exit, killed));
    })?;
    let (exit, killed) = receiver.recv()?;
    leader.wait()?; // The pid may be reused from here on.
    if let Some(status) = exit.status() {
        println!("the leader: {status}; the rest of its group was killed: {killed}");
    }
    Ok(())
}
