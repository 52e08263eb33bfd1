//! [`ShellProcess`]: a managed process that is real.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};

use childwatch_pidfd::Pid;

use crate::channel::Channel;
use crate::simulator::ManagedProcess;

/// A child that runs a shell script, with the channel as its standard input and output. It is
/// killed and reaped when dropped.
pub(crate) struct ShellProcess {
    name: &'static str,
    child: Child,
    channel: Channel,
}

impl ShellProcess {
    pub(crate) fn launch(name: &'static str, script: &str) -> io::Result<Self> {
        let channel = Channel::open()?;
        let end = || channel.process_end().try_clone().map(OwnedFd::from);
        let child = Command::new("sh")
            .args(["-c", script])
            .stdin(end()?)
            .stdout(end()?)
            .spawn()?;
        Ok(ShellProcess {
            name,
            child,
            channel,
        })
    }
}

impl ManagedProcess for ShellProcess {
    fn name(&self) -> &str {
        self.name
    }

    fn pid(&self) -> Pid {
        Pid::from(&self.child)
    }

    fn channel(&self) -> &Channel {
        &self.channel
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for ShellProcess {
    fn drop(&mut self) {
        // The child is killed only if it is certainly still ours. If it has been reaped elsewhere,
        // its pid may belong to another process.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
