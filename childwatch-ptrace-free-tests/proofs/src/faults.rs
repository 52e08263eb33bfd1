//! Faults on purpose: each system call of a watcher is made to fail with each error that the
//! call can return, once or for long.
//!
//! # How
//!
//! A [`Trial`] is a process of its own, in which a thread makes a watcher, calls it and drops
//! it. Every system call of that thread, and of the threads that the watcher starts, waits for
//! an answer from a supervising thread (seccomp's user notifications): to go on, or to fail.
//! So a call can be refused by its number within a phase, and the refusal can end, which no
//! filter can. The children and the checks are on other threads, whose calls are not
//! supervised.
//!
//! # What must hold
//!
//! Whatever is refused: nothing panics, hangs or is left behind; each registered process is
//! reported once, and truly, as soon as the fault lets the watcher see its exit; what was not
//! registered left nothing, under an error that names the process, the operation and the
//! kernel's own error; and when the fault is over, a watcher can be made and processes
//! registered as ever.
//!
//! # What is complete about it
//!
//! A trial without a fault looks at every call that the watcher's threads make: if a call is
//! neither in [`CALLS`] nor in [`EXEMPT`], which gives the reason, the trial fails.

mod acting;
mod board;
mod call;
mod children;
mod driver;
mod error_name;
mod exempt;
mod fault;
mod limit;
mod notices;
mod observed;
mod registering;
mod scenario;
mod shortage;
mod supervisor;
mod table;
mod telling;
mod trial;
mod when;

pub use call::Call;
pub use error_name::error_name;
pub use exempt::{EXEMPT, Exempt};
pub use fault::Fault;
pub use table::CALLS;
pub use trial::{BACKENDS, Outcome, Trial, can_be_compared, can_be_planted, planned};
pub use when::{Phase, When};

pub(crate) use trial::take_part;
