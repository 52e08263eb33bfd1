//! The status of a process that is not a child: the kernel returns it once its parent has reaped it
//! (Linux 6.15).

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher, WatchError};

fn main() -> Result<(), Box<dyn Error>> {
    let watcher = match PidfdWatcher::until_reaped() {
        Err(WatchError::Unsupported { source, .. }) => {
            println!("this kernel does not tell reapings: {source}");
            return Ok(());
        }
        made => made?,
    };
    // A shell, whose child is no child of ours. It exits when the shell's input ends.
    let mut shell = Command::new("sh")
        .args(["-c", "exec 3<&0; (cat <&3 >&2; exit 3) & echo $!; wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(shell.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let pid: Pid = line.trim().parse()?;

    let (sender, reaped) = mpsc::channel();
    watcher.on_exit(pid, move |exit| sender.send(exit).unwrap_or_default())?;
    drop(shell.stdin.take());
    let exit = reaped.recv()?;
    match exit.status() {
        Some(status) => println!("the shell's child: {status}"),
        None => println!("the shell's child was reaped; its status is not known before Linux 6.15"),
    }
    shell.wait()?;
    Ok(())
}
