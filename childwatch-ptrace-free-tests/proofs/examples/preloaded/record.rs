//! [`Record`]: the lines that the library writes.
//!
//! The file is mapped, and shared by all processes of a trial. Its first eight bytes count the bytes of
//! the lines. So a line needs no system call and no descriptor. If it took one for a moment, that could
//! be the number that a shell has just closed and is about to open again.

#![expect(unsafe_code, reason = "a mapped file")]

use std::ffi::{CStr, c_void};
use std::fmt::{self, Write};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

/// How long the file is. The command that makes it has the same number.
const LENGTH: usize = 16 << 20;

/// Where the lines begin.
const HEAD: usize = size_of::<AtomicU64>();

pub(crate) struct Record(NonNull<c_void>);

// SAFETY: the counter is atomic, and each line has bytes of its own.
unsafe impl Send for Record {}
// SAFETY: as above.
unsafe impl Sync for Record {}

impl Record {
    /// Maps a file that has the length of a record.
    pub(crate) fn map(file: &CStr) -> Option<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a string of C. The descriptor is this function's, and the mapping is a new one.
        let address = unsafe {
            let fd = libc::open(file.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if fd < 0 {
                return None;
            }
            let shared = libc::MAP_SHARED;
            let address = libc::mmap(ptr::null_mut(), LENGTH, protection, shared, fd, 0);
            libc::close(fd);
            address
        };
        let address = NonNull::new(address).filter(|_| address != libc::MAP_FAILED);
        address.map(Record)
    }

    /// Appends a line. A handler of a signal may call it: it makes no system call, and allocates
    /// nothing.
    pub(crate) fn line(&self, text: fmt::Arguments<'_>) {
        let mut buffer = Buffer {
            bytes: [0; 160],
            length: 0,
        };
        // Only a text that is too long fails, and its beginning is there.
        let _ = buffer.write_fmt(text);
        let length = buffer.length.min(buffer.bytes.len() - 1);
        buffer.bytes[length] = b'\n';
        let line = &buffer.bytes[..=length];
        // SAFETY: the mapping is aligned to a page, and is never unmapped.
        let count: &AtomicU64 = unsafe { self.0.cast().as_ref() };
        // Relaxed: the reader waits for the processes first.
        let place = count.fetch_add(line.len() as u64, Ordering::Relaxed);
        let begin = usize::try_from(place).map_or(LENGTH, |place| HEAD.saturating_add(place));
        // The reader sees that the record is full.
        if begin.saturating_add(line.len()) <= LENGTH {
            // SAFETY: these bytes are in the mapping, and no other line has them.
            unsafe {
                let bytes = self.0.cast::<u8>().add(begin);
                ptr::copy_nonoverlapping(line.as_ptr(), bytes.as_ptr(), line.len());
            }
        }
    }
}

struct Buffer {
    bytes: [u8; 160],
    length: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let fits = text.len().min(room.len());
        room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length += fits;
        if fits < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
