//! The initramfs: the guest's program, its order, and what a kernel needs to start
//! the one with the other.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::Context;
use childwatch_command::order::Order;
use cpio::NewcBuilder;
use cpio::newc::ModeFileType;
use tempfile::NamedTempFile;

use super::init;
use super::suite;
use super::written::Written;

/// An entry of a cpio archive, and its contents.
type Entry = (NewcBuilder, Cursor<Vec<u8>>);

/// Writes the archive to a file that is removed when dropped.
pub(super) fn pack(program: &Path, order: &Order) -> anyhow::Result<NamedTempFile> {
    let program = fs::read(program).context("the guest's program can't be read")?;
    let archive = archive(program, serde_json::to_vec(&Written::of(order))?)?;
    let mut file = NamedTempFile::with_prefix("childwatch-initramfs-")?;
    file.write_all(&archive)
        .context("the initramfs can't be written")?;
    Ok(file)
}

fn archive(program: Vec<u8>, order: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mounts = init::MOUNTS.iter().map(|mount| directory(mount.target));
    let entries = mounts.chain([
        // The kernel opens it for process 1, before process 1 has mounted anything.
        character_device("/dev/console", 5, 1),
        file("/init", 0o755, program),
        file(suite::ORDER, 0o644, order),
    ]);
    cpio::write_cpio(entries, Vec::new())
}

fn directory(path: &str) -> Entry {
    entry(path, 0o755, ModeFileType::Directory, Vec::new())
}

fn character_device(path: &str, major: u32, minor: u32) -> Entry {
    let (entry, contents) = entry(path, 0o600, ModeFileType::Char, Vec::new());
    (entry.rdev_major(major).rdev_minor(minor), contents)
}

fn file(path: &str, mode: u32, contents: Vec<u8>) -> Entry {
    entry(path, mode, ModeFileType::Regular, contents)
}

fn entry(path: &str, mode: u32, kind: ModeFileType, contents: Vec<u8>) -> Entry {
    // The kernel unpacks at the root: an archive's names are relative.
    let name = path.trim_start_matches('/');
    let entry = NewcBuilder::new(name).mode(mode).set_mode_file_type(kind);
    (entry, Cursor::new(contents))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use cpio::NewcReader;
    use cpio::newc;

    use super::*;

    /// Each entry, in order, and its contents.
    fn unpacked(mut archive: &[u8]) -> Vec<(newc::Entry, Vec<u8>)> {
        let mut unpacked = Vec::new();
        loop {
            let mut reader = NewcReader::new(archive).unwrap();
            let entry = reader.entry().clone();
            if entry.is_trailer() {
                return unpacked;
            }
            let mut contents = Vec::new();
            reader.read_to_end(&mut contents).unwrap();
            unpacked.push((entry, contents));
            archive = reader.finish().unwrap();
        }
    }

    #[test]
    fn the_kernel_finds_its_init_its_console_and_the_order() {
        let archive = archive(b"\x7fELF".to_vec(), b"{}".to_vec()).unwrap();
        let unpacked = unpacked(&archive);
        let by_name: BTreeMap<_, _> = unpacked
            .iter()
            .map(|(entry, contents)| (entry.name(), (entry.mode(), &contents[..])))
            .collect();
        assert_eq!(by_name["init"], (0o100_755, &b"\x7fELF"[..]));
        assert_eq!(by_name["order.json"], (0o100_644, &b"{}"[..]));
        assert_eq!(by_name["proc"], (0o040_755, &b""[..]));
        assert_eq!(by_name["dev/console"], (0o020_600, &b""[..]));
    }

    #[test]
    fn the_console_is_a_device_in_a_directory_that_stands_before_it() {
        let archive = archive(Vec::new(), Vec::new()).unwrap();
        let unpacked = unpacked(&archive);
        let position = |name| unpacked.iter().position(|(entry, _)| entry.name() == name);
        assert!(position("dev") < position("dev/console"));
        let (console, _) = &unpacked[position("dev/console").unwrap()];
        assert_eq!((console.rdev_major(), console.rdev_minor()), (5, 1));
    }
}
