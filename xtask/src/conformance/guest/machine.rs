//! [`Machine`]: the running kernel of a guest, as a process of this machine.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use childwatch_command::parallelism::parallelism;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::TERM_SIGNALS;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

use super::architecture::Emulator;
use super::image::{Image, Kind};
use super::program::GUEST;

/// More memory than the suite needs. The host provides only what is used.
const MEMORY: &str = "2G";

/// How long a guest that switches itself off may be silent.
const LEAVE: Duration = Duration::from_secs(10);

/// Checks that this machine can start the kernel.
pub(super) fn is_available(image: &Image) -> anyhow::Result<()> {
    let Kind::Emulated(architecture) = image.kind else {
        return Ok(());
    };
    let Emulator {
        program, package, ..
    } = architecture.traits().emulator;
    let version = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    match version {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("{program} does not work here: --version ended with {status}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{program} is not installed (Debian: apt-get install {package})")
        }
        Err(error) => Err(error).context(format!("{program} can't be started")),
    }
}

/// A running guest. It ends when it is dropped, or when a signal ends this program.
#[derive(Debug)]
pub(super) struct Machine {
    process: Child,
    lines: Receiver<String>,
    signals: Handle,
}

/// The next event of a guest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A line on its console.
    Line(String),
    /// No event within the limit.
    Silence,
    /// The guest has ended, and all its lines were read.
    End,
}

impl Machine {
    pub(super) fn start(image: &Image, initramfs: &Path, jobs: usize) -> anyhow::Result<Self> {
        let mut command = match image.kind {
            Kind::Emulated(architecture) => emulated(
                &architecture.traits().emulator,
                &image.path,
                initramfs,
                jobs,
            ),
            Kind::UserMode => user_mode(&image.path, initramfs),
        };
        Self::spawn(&mut command).with_context(|| {
            let program = Path::new(command.get_program());
            format!("{} can't be started", program.display())
        })
    }

    /// Waits at most for `limit`.
    pub(super) fn news(&self, limit: Duration) -> News {
        match self.lines.recv_timeout(limit) {
            Ok(line) => News::Line(line),
            Err(RecvTimeoutError::Timeout) => News::Silence,
            Err(RecvTimeoutError::Disconnected) => News::End,
        }
    }

    /// Waits until a guest at its end has switched itself off. User-mode Linux then ends its
    /// helper processes. If it is killed, they remain.
    pub(super) fn leave(self) {
        while let News::Line(_) = self.news(LEAVE) {}
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (send, lines) = mpsc::channel();
        // The emulator's own messages explain a guest that never starts.
        hear(process.stdout.take(), send.clone());
        hear(process.stderr.take(), send);
        let signals = end_with_this_program(&process)?;
        Ok(Machine {
            process,
            lines,
            signals,
        })
    }
}

/// Ends the process if this program is told to end, until the handle is closed. User-mode Linux
/// then ends its helper processes.
fn end_with_this_program(process: &Child) -> io::Result<Handle> {
    let pid = Pid::from_child(process);
    let mut signals = Signals::new(TERM_SIGNALS)?;
    let handle = signals.handle();
    thread::spawn(move || {
        for signal in signals.forever() {
            // The process is a child, which is reaped after the handle is closed.
            let _ = kill_process(pid, Signal::TERM);
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(handle)
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.signals.close();
        // Both calls fail only if the process was reaped, which no other code does.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn emulated(emulator: &Emulator, kernel: &Path, initramfs: &Path, jobs: usize) -> Command {
    let Emulator {
        machine,
        cpu,
        console,
        trust,
        ..
    } = emulator;
    let mut command = Command::new(emulator.program);
    command
        .args(["-machine", machine, "-cpu", cpu, "-m", MEMORY])
        // Each processor has a thread of the host, so that they run at the same time. More of
        // them than the host has would wait for each other.
        .args(["-accel", "tcg,thread=multi", "-smp"])
        .arg(jobs.min(parallelism().get()).to_string())
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        // A panic restarts the machine, and that ends it.
        .args(["-no-reboot", "-serial", "stdio"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            &format!("console={console} panic=-1 {trust} {GUEST}"),
        ]);
    command
}

fn user_mode(kernel: &Path, initramfs: &Path) -> Command {
    let mut initrd = std::ffi::OsString::from("initrd=");
    initrd.push(initramfs);
    let mut command = Command::new(kernel);
    command.arg(format!("mem={MEMORY}")).arg(initrd).args([
        "con=null",
        "con0=null,fd:1",
        "panic=-1",
        GUEST,
    ]);
    command
}

/// Passes a stream on, line by line, on a thread that ends with it.
fn hear(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(stream) = stream else {
        return;
    };
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use rustix::process::test_kill_process;

    use super::*;

    #[test]
    fn all_that_a_machine_says_is_heard_and_then_its_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo booting; echo 'no such image' >&2"]);
        let machine = Machine::spawn(&mut command).unwrap();
        let mut heard = Vec::new();
        while let News::Line(line) = machine.news(Duration::from_secs(60)) {
            heard.push(line);
        }
        heard.sort_unstable();
        assert_eq!(heard, ["booting", "no such image"]);
        assert_eq!(machine.news(Duration::from_secs(60)), News::End);
    }

    #[test]
    fn a_machine_that_hangs_is_killed_when_dropped() {
        let mut command = Command::new("sleep");
        let machine = Machine::spawn(command.arg("infinity")).unwrap();
        assert_eq!(machine.news(Duration::ZERO), News::Silence);
        let process = Pid::from_child(&machine.process);
        drop(machine);
        assert_eq!(test_kill_process(process), Err(Errno::SRCH));
    }
}
