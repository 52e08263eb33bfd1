//! `cargo xtask conformance --kernel IMAGE`: the suite on another kernel than this
//! machine's.
//!
//! The kernel starts in an emulated machine, or as user-mode Linux, with an
//! initramfs that holds little more than this very program, statically linked.
//! There it is process 1 ([`init`]), runs the order that lies beside it
//! ([`suite`]), and tells on the console what came of each cell ([`message`]). The
//! host listens, and makes the same report as of a run on its own kernel.

use std::path::Path;
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use super::order::Order;
use super::report::Report;
use examination::Examination;
use image::Image;
use machine::Machine;

mod console;
mod examination;
mod image;
mod init;
mod initramfs;
mod machine;
mod message;
mod program;
mod suite;

/// How long a cell may take in a guest, unless the command line says otherwise:
/// emulation is several times slower than the machine it runs on.
pub(crate) const DEADLINE: Duration = Duration::from_secs(240);

/// A guest may be silent for as long as a cell may take, and this for booting.
const GRACE: Duration = Duration::from_secs(120);

/// Boots the kernel in the file `kernel`, and reports what the suite finds there.
pub(crate) fn examine(kernel: &Path, order: &Order) -> anyhow::Result<Report> {
    let image = Image::open(kernel)?;
    machine::is_available(&image)?;
    let initramfs = initramfs::pack(&program::build()?, order)?;

    let start = Instant::now();
    let machine = Machine::start(&image, initramfs.path(), order.jobs)?;
    let examination = Examination::follow(&machine, order, order.deadline + GRACE)?;
    let elapsed = start.elapsed();
    machine.leave();
    Ok(Report {
        kernel: format!("{} {}", examination.kernel, image.kind),
        sandbox: order.sandbox,
        cells: examination.cells,
        repeats: order.repeats,
        elapsed,
    })
}

/// Be the guest of `conformance --kernel`: its process 1, or the suite in it.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// The guest's side.
pub(crate) fn main(_: &Args) -> anyhow::Result<ExitCode> {
    match process::id() {
        1 => init::main()?,
        _ => suite::main()?,
    }
    Ok(ExitCode::SUCCESS)
}
