//! `cargo xtask conformance --kernel IMAGE`: runs the suite on another kernel than this
//! machine's.
//!
//! The kernel starts in an emulated machine or as user-mode Linux. Its initramfs holds little
//! more than this program, statically linked. In the guest the program is process 1
//! ([`init`]). It runs the order that lies beside it ([`suite`]), and writes the result of
//! each cell to the console ([`message`]). The host reads the console, and makes the same
//! report as for its own kernel.

use std::path::Path;
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use childwatch_command::order::Order;
use childwatch_command::report::Report;

use architecture::{Architecture, Libc};
use examination::Examination;
use image::Image;
use machine::Machine;

pub(crate) mod architecture;
mod console;
mod examination;
mod image;
mod init;
mod initramfs;
mod machine;
mod message;
mod program;
mod suite;
mod written;

/// The default limit of a cell in a guest. Emulation is several times slower than the
/// machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(240);

/// A guest may be silent for the limit of a cell and for this long, because it also boots.
const GRACE: Duration = Duration::from_secs(120);

/// Boots the kernel in the file `kernel`, and reports what the suite finds there.
pub(crate) fn examine(
    kernel: &Path,
    architecture: Architecture,
    libc: Libc,
    order: &Order,
) -> anyhow::Result<Report> {
    let image = Image::open(kernel, architecture)?;
    machine::is_available(&image)?;
    let initramfs = initramfs::pack(&program::build(architecture, libc)?, order)?;

    let start = Instant::now();
    let machine = Machine::start(&image, initramfs.path(), order.jobs)?;
    let examination = Examination::follow(&machine, order, order.deadline + GRACE)?;
    let elapsed = start.elapsed();
    machine.leave();
    Ok(Report {
        kernel: format!(
            "{} {} ({architecture}, {libc})",
            examination.kernel, image.kind
        ),
        sandbox: order.sandbox,
        cells: examination.cells,
        repeats: order.repeats,
        elapsed,
    })
}

/// Be the guest of `conformance --kernel`: its process 1, or the suite in it
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs the guest's side.
pub(crate) fn main(_: &Args) -> anyhow::Result<ExitCode> {
    match process::id() {
        1 => init::main()?,
        _ => suite::main()?,
    }
    Ok(ExitCode::SUCCESS)
}
