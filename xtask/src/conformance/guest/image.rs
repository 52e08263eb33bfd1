//! [`Image`]: a file with a kernel, and what kind of kernel that is.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::architecture::Architecture;

/// A kernel that can be started here.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

/// What starts the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An emulated machine.
    Emulated(Architecture),
    /// The host: the file is a program, user-mode Linux.
    UserMode,
}

impl Image {
    /// Finds out what starts the kernel. Fails if it is of another architecture.
    pub(super) fn open(path: &Path, architecture: Architecture) -> anyhow::Result<Self> {
        let head =
            head(path).with_context(|| format!("the kernel {} can't be read", path.display()))?;
        let kind = Kind::of(&head).with_context(|| {
            let what = no_kernel(&head, architecture);
            format!("{} is {what}", path.display())
        })?;
        ensure!(
            kind.architecture() == architecture,
            "{} is a kernel for {}, so it needs --arch {}",
            path.display(),
            kind.architecture(),
            kind.architecture(),
        );
        // A command without a slash would be looked up in PATH.
        let path = path.canonicalize()?;
        Ok(Image { path, kind })
    }
}

impl Kind {
    /// Recognises the kind by the first bytes of the file.
    fn of(head: &[u8]) -> Option<Self> {
        if let Some(architecture) = Architecture::of_kernel(head) {
            return Some(Kind::Emulated(architecture));
        }
        is_program(head).then_some(Kind::UserMode)
    }

    /// Returns the architecture of the programs that the kernel runs.
    pub(super) fn architecture(self) -> Architecture {
        match self {
            Kind::Emulated(architecture) => architecture,
            Kind::UserMode => Architecture::X86_64,
        }
    }
}

/// Names where such a kernel runs.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Emulated(_) => "in QEMU",
            Kind::UserMode => "in user mode",
        })
    }
}

/// Says what was expected instead of this file.
fn no_kernel(head: &[u8], architecture: Architecture) -> String {
    if head.starts_with(b"\x1f\x8b") {
        return "compressed, and gunzip has to unpack it first".to_owned();
    }
    let format = architecture.traits().magic.format;
    match architecture {
        Architecture::X86_64 => {
            format!("neither a {format} for {architecture} nor user-mode Linux, an ELF program")
        }
        _ => format!("no {format} for {architecture}"),
    }
}

/// Returns `true` if the file is an ELF program for x86-64.
fn is_program(head: &[u8]) -> bool {
    const EM_X86_64: [u8; 2] = 62_u16.to_le_bytes();
    head.starts_with(b"\x7fELF") && head.get(18..20) == Some(&EM_X86_64)
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(0x1000).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::NamedTempFile;

    use super::*;

    const UML: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0";

    fn file(head: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(head).unwrap();
        file
    }

    /// The head of a kernel for riscv64.
    fn riscv64() -> Vec<u8> {
        [&[0; 0x38], &b"RSC\x05"[..]].concat()
    }

    #[test]
    fn the_header_tells_the_kind() {
        let mut boot_sector = vec![0; 0x400];
        boot_sector[..2].copy_from_slice(b"MZ");
        boot_sector[0x202..0x206].copy_from_slice(b"HdrS");
        let x86 = Kind::Emulated(Architecture::X86_64);
        assert_eq!(Kind::of(&boot_sector), Some(x86));
        let riscv = Kind::Emulated(Architecture::Riscv64);
        assert_eq!(Kind::of(&riscv64()), Some(riscv));
        assert_eq!(Kind::of(UML), Some(Kind::UserMode));
    }

    #[test]
    fn what_is_no_kernel_is_told_from_one() {
        assert_eq!(Kind::of(b""), None);
        assert_eq!(Kind::of(b"#!/bin/sh\n"), None);
        assert_eq!(Kind::of(&[0; 0x204]), None);
        let aarch64 = [&UML[..18], &[183, 0]].concat();
        assert_eq!(Kind::of(&aarch64), None);
        let path = Path::new("/nonexistent/vmlinuz");
        let error = Image::open(path, Architecture::X86_64).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kernel /nonexistent/vmlinuz can't be read"
        );
    }

    #[test]
    fn a_kernel_that_does_not_fit_says_why() {
        for (head, architecture, reason) in [
            (
                &riscv64()[..],
                Architecture::X86_64,
                "is a kernel for riscv64, so it needs --arch riscv64",
            ),
            (
                UML,
                Architecture::Armv7,
                "is a kernel for x86-64, so it needs --arch x86-64",
            ),
            (
                b"#!/bin/sh",
                Architecture::Aarch64,
                "is no Image (vmlinuz) for aarch64",
            ),
            (
                b"#!/bin/sh",
                Architecture::X86_64,
                "is neither a bzImage (vmlinuz) for x86-64 nor user-mode Linux, an ELF program",
            ),
            (
                b"\x1f\x8b\x08",
                Architecture::Aarch64,
                "is compressed, and gunzip has to unpack it first",
            ),
        ] {
            let file = file(head);
            let error = Image::open(file.path(), architecture).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{} {reason}", file.path().display())
            );
        }
    }
}
