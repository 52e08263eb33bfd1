//! Restarts a service that fails, with a pause that grows, and gives up after some failures.
//!
//! The callbacks only send messages. The program's loop decides, and its waits have a limit, so that
//! it can do other work and stop.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use childwatch_pidfd::{Exit, PidWatcher, PidWatcherExt, PidfdWatcher};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const FAILURES: u32 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watcher = PidfdWatcher::new()?;
    let (sender, exits) = channel();
    let failures = supervise(&watcher, &sender, &exits)?;
    println!("given up after {failures} failures");
    Ok(())
}

fn supervise(
    watcher: &dyn PidWatcher,
    sender: &Sender<Exit>,
    exits: &Receiver<Exit>,
) -> Result<u32, Box<dyn std::error::Error>> {
    let (mut failures, mut pause) = (0, FIRST_PAUSE);
    let mut service = Some(start(watcher, sender)?);
    let mut restart_at = None;
    loop {
        let until_restart =
            restart_at.map(|at: Instant| at.saturating_duration_since(Instant::now()));
        match exits.recv_timeout(until_restart.unwrap_or(Duration::from_secs(1))) {
            Ok(exit) => {
                // The status is in the exit already. The zombie goes now.
                service.take().ok_or("an exit of no service")?.wait()?;
                println!("{}", exit.status().ok_or("no status")?);
                failures += 1;
                if failures == FAILURES {
                    return Ok(failures);
                }
                restart_at = Some(Instant::now() + pause);
                pause *= 2;
            }
            Err(RecvTimeoutError::Timeout) if restart_at.is_some_and(|at| at <= Instant::now()) => {
                restart_at = None;
                service = Some(start(watcher, sender)?);
            }
            // Here is time for other work, and to ask whether the program is to stop.
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("nobody can send".into()),
        }
    }
}

fn start(watcher: &dyn PidWatcher, sender: &Sender<Exit>) -> io::Result<Child> {
    let sender = sender.clone();
    let mut command = Command::new("sh");
    let (service, _handle) =
        watcher.spawn_watched(command.args(["-c", "exit 3"]), move |exit| {
            let _ = sender.send(exit);
        })?;
    Ok(service)
}
