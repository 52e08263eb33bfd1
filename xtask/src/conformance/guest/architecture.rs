//! [`Architecture`]: the processors that a guest can have, and all that differs between them.

use std::fmt;

/// The architecture of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Architecture {
    #[value(alias = "x86_64")]
    X86_64,
    Aarch64,
    Armv7,
    Riscv64,
}

/// The C library of a guest's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Libc {
    /// glibc
    Gnu,
    Musl,
}

/// What starts a kernel of one architecture, and what builds a program for it.
#[derive(Debug)]
pub(super) struct Traits {
    name: &'static str,
    pub(super) magic: Magic,
    pub(super) emulator: Emulator,
    gnu: Target,
    musl: Target,
    pub(super) linker: Linker,
}

/// The bytes by which the file of a kernel is recognised.
#[derive(Debug)]
pub(super) struct Magic {
    /// What such a file is called.
    pub(super) format: &'static str,
    offset: usize,
    bytes: &'static [u8],
}

/// QEMU, with a machine that needs no firmware but QEMU's own.
#[derive(Debug)]
pub(super) struct Emulator {
    pub(super) program: &'static str,
    pub(super) package: &'static str,
    pub(super) machine: &'static str,
    /// The plainest processor on which a distribution's kernel runs.
    pub(super) cpu: &'static str,
    /// The serial line of the machine.
    pub(super) console: &'static str,
    /// The kernel's parameter that makes it trust the first random numbers. A machine that has
    /// just booted has no others. Without them, std falls back on an open /dev/urandom before
    /// Linux 5.6, and each cell finds one file too many.
    pub(super) trust: &'static str,
}

/// A target of the Rust compiler.
type Target = &'static str;

/// The linker for the target with glibc, and the packages with what it links.
#[derive(Debug)]
pub(super) struct Linker {
    pub(super) program: &'static str,
    pub(super) package: &'static str,
    pub(super) libc_package: &'static str,
}

const X86_64: Traits = Traits {
    name: "x86-64",
    magic: Magic {
        format: "bzImage (vmlinuz)",
        // Of the x86 boot protocol, since Linux 1.3.73.
        offset: 0x202,
        bytes: b"HdrS",
    },
    emulator: Emulator {
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: "pc",
        // The processor has a source of random numbers.
        cpu: "qemu64,+rdrand",
        console: "ttyS0",
        // Since Linux 4.19.
        trust: "random.trust_cpu=on",
    },
    gnu: "x86_64-unknown-linux-gnu",
    musl: "x86_64-unknown-linux-musl",
    linker: Linker {
        program: "cc",
        package: "gcc",
        libc_package: "libc6-dev",
    },
};

const AARCH64: Traits = Traits {
    name: "aarch64",
    magic: Magic {
        format: "Image (vmlinuz)",
        // Documentation/arch/arm64/booting.rst
        offset: 0x38,
        bytes: b"ARM\x64",
    },
    emulator: Emulator {
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        // The default interrupt controller serves 8 processors at most.
        machine: "virt,gic-version=3",
        cpu: "cortex-a72",
        console: "ttyAMA0",
        // QEMU puts random numbers into the device tree.
        trust: "random.trust_bootloader=on",
    },
    gnu: "aarch64-unknown-linux-gnu",
    musl: "aarch64-unknown-linux-musl",
    linker: Linker {
        program: "aarch64-linux-gnu-gcc",
        package: "gcc-aarch64-linux-gnu",
        libc_package: "libc6-dev-arm64-cross",
    },
};

const ARMV7: Traits = Traits {
    name: "armv7",
    magic: Magic {
        format: "zImage (vmlinuz)",
        // arch/arm/boot/compressed/head.S: 0x016f2818, little-endian
        offset: 0x24,
        bytes: b"\x18\x28\x6f\x01",
    },
    emulator: Emulator {
        program: "qemu-system-arm",
        package: "qemu-system-arm",
        // A kernel without LPAE sees no devices above 4 GiB.
        machine: "virt,gic-version=3,highmem=off",
        cpu: "cortex-a15",
        console: "ttyAMA0",
        trust: "random.trust_bootloader=on",
    },
    gnu: "armv7-unknown-linux-gnueabihf",
    musl: "armv7-unknown-linux-musleabihf",
    linker: Linker {
        program: "arm-linux-gnueabihf-gcc",
        package: "gcc-arm-linux-gnueabihf",
        libc_package: "libc6-dev-armhf-cross",
    },
};

const RISCV64: Traits = Traits {
    name: "riscv64",
    magic: Magic {
        format: "Image (vmlinux, vmlinuz)",
        // Documentation/arch/riscv/boot-image-header.rst: magic2
        offset: 0x38,
        bytes: b"RSC\x05",
    },
    emulator: Emulator {
        program: "qemu-system-riscv64",
        package: "qemu-system-misc, since Debian 13 qemu-system-riscv",
        machine: "virt",
        cpu: "rv64",
        console: "ttyS0",
        trust: "random.trust_bootloader=on",
    },
    gnu: "riscv64gc-unknown-linux-gnu",
    musl: "riscv64gc-unknown-linux-musl",
    linker: Linker {
        program: "riscv64-linux-gnu-gcc",
        package: "gcc-riscv64-linux-gnu",
        libc_package: "libc6-dev-riscv64-cross",
    },
};

impl Architecture {
    pub(super) const ALL: [Self; 4] = [Self::X86_64, Self::Aarch64, Self::Armv7, Self::Riscv64];

    pub(super) fn traits(self) -> &'static Traits {
        match self {
            Architecture::X86_64 => &X86_64,
            Architecture::Aarch64 => &AARCH64,
            Architecture::Armv7 => &ARMV7,
            Architecture::Riscv64 => &RISCV64,
        }
    }

    /// Recognises a kernel by the first bytes of its file.
    pub(super) fn of_kernel(head: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|architecture| architecture.traits().magic.is_in(head))
    }
}

impl Traits {
    /// Returns the target of a program with this C library.
    pub(super) fn target(&self, libc: Libc) -> Target {
        match libc {
            Libc::Gnu => self.gnu,
            Libc::Musl => self.musl,
        }
    }
}

impl Magic {
    fn is_in(&self, head: &[u8]) -> bool {
        head.get(self.offset..)
            .is_some_and(|rest| rest.starts_with(self.bytes))
    }
}

/// As `--arch` has it.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.traits().name)
    }
}

/// As `--libc` has it.
impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Libc::Gnu => "gnu",
            Libc::Musl => "musl",
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn kernel_of(architecture: Architecture) -> Vec<u8> {
        let Magic { offset, bytes, .. } = architecture.traits().magic;
        let mut head = vec![0; offset];
        head.extend_from_slice(bytes);
        head
    }

    #[test]
    fn each_kernel_is_recognised() {
        for architecture in Architecture::ALL {
            let head = kernel_of(architecture);
            assert_eq!(Architecture::of_kernel(&head), Some(architecture));
            assert_eq!(Architecture::of_kernel(&head[..head.len() - 1]), None);
        }
    }

    #[test]
    fn each_architecture_and_libc_has_the_name_of_its_option() {
        for architecture in Architecture::value_variants() {
            assert!(Architecture::ALL.contains(architecture));
            let value = architecture.to_possible_value().unwrap();
            assert_eq!(value.get_name(), architecture.to_string());
        }
        for libc in Libc::value_variants() {
            assert_eq!(
                libc.to_possible_value().unwrap().get_name(),
                libc.to_string()
            );
        }
    }

    #[test]
    fn each_target_has_its_libc() {
        for architecture in Architecture::ALL {
            for libc in Libc::value_variants() {
                let target = architecture.traits().target(*libc);
                let (_, environment) = target.split_once("-unknown-linux-").unwrap();
                assert!(environment.starts_with(&libc.to_string()), "{target}");
            }
        }
    }
}
