//! [`SimulatedProcess`]: a managed process that exists only in memory. A test controls it.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_core::SimulatedProcesses;
use childwatch_pidfd::Pid;

use crate::channel::{Channel, RESULT};
use crate::simulator::ManagedProcess;

/// Clones are the same process. The simulator has one clone, and the test has another.
#[derive(Clone)]
pub(crate) struct SimulatedProcess {
    name: &'static str,
    pid: Pid,
    channel: Channel,
    processes: SimulatedProcesses,
}

impl SimulatedProcess {
    pub(crate) fn launch(name: &'static str, processes: &SimulatedProcesses) -> Self {
        SimulatedProcess {
            name,
            pid: processes.spawn(),
            channel: Channel::open().unwrap(),
            processes: processes.clone(),
        }
    }

    /// Makes a system call and waits for its result.
    pub(crate) fn call(&self, call: &str) {
        self.say(&format!("{call}\n"));
        let mut result = [0; RESULT.len()];
        self.channel.process_end().read_exact(&mut result).unwrap();
        assert_eq!(result, RESULT.as_bytes());
    }

    pub(crate) fn say(&self, text: &str) {
        self.channel
            .process_end()
            .write_all(text.as_bytes())
            .unwrap();
    }

    pub(crate) fn exit(&self, code: i32) {
        let status = ExitStatus::from_raw(code << 8);
        assert!(self.processes.exit(self.pid, status));
    }

    pub(crate) fn die(&self, signal: i32) {
        let status = ExitStatus::from_raw(signal);
        assert!(self.processes.exit(self.pid, status));
    }
}

impl ManagedProcess for SimulatedProcess {
    fn name(&self) -> &str {
        self.name
    }

    fn pid(&self) -> Pid {
        self.pid
    }

    fn channel(&self) -> &Channel {
        &self.channel
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let no_zombie = || io::Error::from_raw_os_error(libc::ECHILD);
        self.processes.reap(self.pid).ok_or_else(no_zombie)
    }
}
