//! [`Image`]: a file with a kernel, and what kind of kernel that is.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A kernel that can be started here.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

/// What starts the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An emulated machine: the file follows the x86 boot protocol.
    BzImage,
    /// The host: the file is a program, user-mode Linux.
    UserMode,
}

impl Image {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let head =
            head(path).with_context(|| format!("the kernel {} can't be read", path.display()))?;
        let Some(kind) = Kind::of(&head) else {
            bail!(
                "{} is neither a bzImage (vmlinuz) for x86 nor user-mode Linux, an ELF program",
                path.display()
            );
        };
        // A command without a slash would be looked up in PATH.
        let path = path.canonicalize()?;
        Ok(Image { path, kind })
    }
}

impl Kind {
    /// Recognises the kind by the first bytes of the file.
    fn of(head: &[u8]) -> Option<Self> {
        // The x86 boot protocol's magic number, at an offset of its own: Linux 1.3.73.
        if head.get(0x202..0x206) == Some(b"HdrS") {
            return Some(Kind::BzImage);
        }
        head.starts_with(b"\x7fELF").then_some(Kind::UserMode)
    }
}

/// Names where such a kernel runs.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::BzImage => "in QEMU",
            Kind::UserMode => "in user mode",
        })
    }
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(0x1000).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_kind() {
        let mut boot_sector = vec![0; 0x400];
        boot_sector[..2].copy_from_slice(b"MZ");
        boot_sector[0x202..0x206].copy_from_slice(b"HdrS");
        assert_eq!(Kind::of(&boot_sector), Some(Kind::BzImage));
        assert_eq!(Kind::of(b"\x7fELF\x02\x01\x01"), Some(Kind::UserMode));
    }

    #[test]
    fn what_is_no_kernel_is_told_from_one() {
        assert_eq!(Kind::of(b""), None);
        assert_eq!(Kind::of(b"#!/bin/sh\n"), None);
        assert_eq!(Kind::of(&[0; 0x204]), None);
        let error = Image::open(Path::new("/nonexistent/vmlinuz")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kernel /nonexistent/vmlinuz can't be read"
        );
    }
}
