//! [`Channel`]: where a managed process and its worker talk.

use std::io::{self, BufRead, BufReader, Write};
use std::iter;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The result of every system call.
pub(crate) const RESULT: &str = "done\n";

/// System calls one way, a line each, and their results the other way. Clones are
/// the same channel.
///
/// As with Shadow's, which is memory that both sides map, a process's death alone
/// does not close it: both ends are kept open here.
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

    /// The end that the process is given.
    pub(crate) fn process_end(&self) -> &UnixStream {
        &self.0.process
    }

    /// The process's calls, waiting for each, until the channel is closed and those
    /// made before are told.
    pub(crate) fn calls(&self) -> impl Iterator<Item = io::Result<String>> {
        let mut lines = BufReader::new(&self.0.workers);
        iter::from_fn(move || next_call(&mut lines).transpose())
    }

    /// Gives the process its call's result.
    pub(crate) fn answer(&self) -> io::Result<()> {
        match (&self.0.workers).write_all(RESULT.as_bytes()) {
            // Closed since the call, which `calls` tells next.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            answered => answered,
        }
    }

    /// Wakes the worker, wherever it waits.
    pub(crate) fn close(&self) {
        // Nothing to do where it is refused: it is closed already.
        let _ = self.0.workers.shutdown(Shutdown::Both);
    }
}

fn next_call(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    // A line without its end is what death has cut short: no call.
    Ok(line.strip_suffix('\n').map(str::to_owned))
}
