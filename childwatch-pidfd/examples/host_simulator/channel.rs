//! [`Channel`]: the connection between a managed process and its worker.

use std::io::{self, BufRead, BufReader, Write};
use std::iter;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The result of every system call.
pub(crate) const RESULT: &str = "done\n";

/// Carries system calls one way, one line each, and their results the other way. Clones are the
/// same channel.
///
/// The death of a process alone does not close the channel, because both ends are kept open here.
/// In Shadow the same holds: its channel is memory that both sides map.
#[derive(Clone)]
pub(crate) struct Channel(Arc<Ends>);

struct Ends {
    workers: UnixStream,
    process: UnixStream,
}

impl Channel {
    pub(crate) fn open() -> io::Result<Self> {
        let (workers, process) = UnixStream::pair()?;
        Ok(Channel(Arc::new(Ends { workers, process })))
    }

    /// The process's end of the channel.
    pub(crate) fn process_end(&self) -> &UnixStream {
        &self.0.process
    }

    /// Returns the process's calls, and waits for each. The iterator ends when the channel is closed
    /// and the calls made before have been returned.
    pub(crate) fn calls(&self) -> impl Iterator<Item = io::Result<String>> {
        let mut lines = BufReader::new(&self.0.workers);
        iter::from_fn(move || next_call(&mut lines).transpose())
    }

    /// Sends the process the result of its call.
    pub(crate) fn answer(&self) -> io::Result<()> {
        match (&self.0.workers).write_all(RESULT.as_bytes()) {
            // The channel has been closed since the call. `calls` ends next.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            answered => answered,
        }
    }

    /// Closes the channel, and wakes the worker if it waits.
    pub(crate) fn close(&self) {
        // If this is refused, the channel is closed already.
        let _ = self.0.workers.shutdown(Shutdown::Both);
    }
}

fn next_call(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    // If a line has no end, the process has died while it wrote it. It is no call.
    Ok(line.strip_suffix('\n').map(str::to_owned))
}
