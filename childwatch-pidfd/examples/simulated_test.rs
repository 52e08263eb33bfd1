//! Tests supervising code on simulated processes: no process is started, and nothing is waited for.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use childwatch_core::{
    Pid, PidWatcher, PidWatcherExt, SimulatedProcesses, SimulatedWatcher, WatchError,
};

/// The code under test counts the failures of a service.
fn count_failures(
    watcher: &dyn PidWatcher,
    service: Pid,
    failures: Arc<AtomicU32>,
) -> Result<(), WatchError> {
    watcher.on_exit(service, move |exit| {
        if !exit.status().is_some_and(|status| status.success()) {
            failures.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let processes = SimulatedProcesses::new();
    let (watcher, mut driver) = SimulatedWatcher::driven(&processes)?;
    let failures = Arc::new(AtomicU32::new(0));
    // Code 0, code 3, killed by signal 9.
    for raw in [0, 3 << 8, 9] {
        let service = processes.spawn();
        count_failures(&watcher, service, Arc::clone(&failures))?;
        processes.exit(service, ExitStatus::from_raw(raw));
        driver.drive(None)?; // The callback runs here.
    }
    println!("failures: {}", failures.load(Ordering::Relaxed));
    Ok(())
}
