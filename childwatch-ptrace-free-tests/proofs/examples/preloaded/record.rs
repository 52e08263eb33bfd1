//! [`line`]: one line of the record.

#![expect(unsafe_code, reason = "`open`, `write` and `close`, in a handler too")]

use std::ffi::CStr;
use std::fmt::{self, Write};

/// Appends a line. The functions that it calls may be called in a handler of a signal, and none
/// allocates. The file is opened each time, because some programs close every descriptor.
pub(crate) fn line(file: &CStr, text: fmt::Arguments<'_>) {
    let mut buffer = Buffer {
        bytes: [0; 160],
        length: 0,
    };
    // Only a text that is too long fails, and its beginning is there.
    let _ = buffer.write_fmt(text);
    let length = buffer.length.min(buffer.bytes.len() - 1);
    buffer.bytes[length] = b'\n';
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: a string of C, and a buffer of this length. The descriptor is this function's.
    unsafe {
        let fd = libc::open(file.as_ptr(), flags, 0o666);
        if fd >= 0 {
            libc::write(fd, buffer.bytes.as_ptr().cast(), length + 1);
            libc::close(fd);
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
