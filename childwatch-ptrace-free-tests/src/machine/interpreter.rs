//! [`Interpreter`]: a program that runs this one, such as an emulator.

use std::env;
use std::env::consts::ARCH;
use std::path::PathBuf;
use std::time::Duration;

use crate::kit::alone;
use crate::machine::static_program::IS_STATIC;

/// A program that runs this one, and stands between it and the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interpreter {
    /// QEMU in user mode.
    Qemu,
    /// valgrind, with its default tool, memcheck.
    Valgrind,
}

/// How long the question may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where programs are looked for if `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

impl Interpreter {
    /// The name that reports have.
    const fn name(self) -> &'static str {
        match self {
            Interpreter::Qemu => "qemu-user",
            Interpreter::Valgrind => "valgrind",
        }
    }

    fn files(self) -> [String; 2] {
        match self {
            Interpreter::Qemu => [format!("qemu-{ARCH}"), format!("qemu-{ARCH}-static")],
            Interpreter::Valgrind => ["valgrind".to_owned(), "valgrind.bin".to_owned()],
        }
    }

    /// The options with which it runs a host.
    pub(crate) const fn options(self) -> &'static [&'static str] {
        match self {
            Interpreter::Qemu => &[],
            Interpreter::Valgrind => &["--quiet", "--error-exitcode=99"],
        }
    }

    /// The options with which it runs a question. They are quicker.
    const fn quick_options(self) -> &'static [&'static str] {
        match self {
            Interpreter::Qemu => &[],
            // Memcheck demands the symbols of the C library's loader. They are often missing for
            // an architecture that is not the machine's own.
            Interpreter::Valgrind if cfg!(not(target_arch = "x86_64")) => &["--quiet"],
            Interpreter::Valgrind => &["--quiet", "--tool=none"],
        }
    }

    /// Returns its file, if it is installed.
    pub(crate) fn file(self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let mut files = env::split_paths(&path)
            .flat_map(|directory| self.files().map(|file| directory.join(file)));
        files.find(|file| file.is_file())
    }

    /// Runs this program in it with these arguments. Returns `Ok` if it is installed, and the
    /// program succeeds.
    ///
    /// # Errors
    ///
    /// The reason, for the report.
    pub(crate) fn run(self, arguments: &[&str]) -> Result<(), String> {
        let name = self.name();
        // It replaces the functions of a library that is loaded.
        if self == Interpreter::Valgrind && IS_STATIC {
            return Err("valgrind does not know the allocator of a static program".to_owned());
        }
        let file = self
            .file()
            .ok_or_else(|| format!("{name} is not installed"))?;
        let own = env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let own = own.to_str().ok_or("this program's path is not UTF-8")?;
        let options = self.quick_options().iter().copied();
        let arguments = options.chain([own]).chain(arguments.iter().copied());
        let ended = alone::run(&file, arguments, DEADLINE)
            .map_err(|error| format!("{name} can't be started: {error}"))?;
        match ended.status.map(|status| (status, status.code())) {
            Some((_, Some(0))) => Ok(()),
            Some((_, Some(code))) if code == i32::from(alone::UNSUPPORTED) => {
                Err(format!("in {name}: {}", ended.output.trim()))
            }
            // valgrind names the package in its advice, which is twenty lines long.
            Some(_) if ended.errors.contains("libc6-dbg") => Err(format!(
                "{name} has no symbols of the C library for {ARCH}, which are a package of their \
                 own (Debian: libc6-dbg)"
            )),
            Some((status, _)) => {
                let reason = alone::explain(status, &ended.errors);
                // The report has one line for it.
                let words: Vec<_> = reason.split_whitespace().take(30).collect();
                Err(format!(
                    "{name} does not run this program: {}",
                    words.join(" ")
                ))
            }
            None => Err(format!("{name} takes longer than {DEADLINE:?} to answer")),
        }
    }
}
