//! [`Supervisor`]: the thread that answers for the kernel.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::board::Board;
use super::notices::Listener;

/// Answers every call that its listener reports, until stopped.
///
/// # Deadlock safety
///
/// A thread that waits for an answer may hold any lock: the allocator's, or the standard
/// output's. So this thread is there before the first call waits, and from then on it takes no
/// lock and no memory.
#[derive(Debug)]
pub(super) struct Supervisor {
    thread: JoinHandle<()>,
    stop: OwnedFd,
}

impl Supervisor {
    /// Starts the thread, which waits for a listener to be set.
    pub(super) fn start(listener: Arc<OnceLock<Listener>>, board: Arc<Board>) -> io::Result<Self> {
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || {
            // It sends its first word, and with it has all the memory that it will need.
            let _ = ready.send(());
            drop(ready);
            while !is_stopped(&stopped) {
                match listener.get() {
                    Some(listener) => return answer_all(listener, &stopped, &board),
                    None => thread::park_timeout(Duration::from_millis(1)),
                }
            }
        })?;
        let _ = is_ready.recv();
        Ok(Supervisor { thread, stop })
    }

    /// To be called when no thread is left that needs answers.
    pub(super) fn stop(self) {
        drop(self.stop);
        // It does nothing that panics.
        let _ = self.thread.join();
    }
}

fn is_stopped(stopped: &OwnedFd) -> bool {
    let mut hung_up = [PollFd::new(stopped, PollFlags::empty())];
    matches!(poll(&mut hung_up, Some(&Timespec::default())), Ok(1))
}

fn answer_all(listener: &Listener, stopped: &OwnedFd, board: &Board) {
    loop {
        let mut ready = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(stopped, PollFlags::empty()),
        ];
        if let Err(errno) = poll(&mut ready, None) {
            if errno != Errno::INTR {
                return;
            }
        }
        if ready[0].revents().contains(PollFlags::IN) {
            // ENOENT: the thread has been killed meanwhile. EINTR: ask again.
            if let Ok(notice) = listener.receive() {
                listener.answer(&notice, board.judge(&notice));
            }
        } else if !ready[1].revents().is_empty() {
            return;
        }
    }
}
