//! System calls that rustix does not have, and what the kernel says about this process.
//!
//! All `unsafe` of the suite's own machinery is here, and in [`crowd`](super::crowd),
//! [`namespace`](crate::machine::namespace) and the hosts that fork.

pub(crate) mod answered;
pub mod birth;
pub(crate) mod cancelling;
pub(crate) mod chained;
pub mod death;
pub(crate) mod directory;
pub mod endings;
pub(crate) mod filters;
pub mod forwarding;
pub(crate) mod heap;
pub(crate) mod in_handlers;
pub mod limits;
pub(crate) mod own_handler;
pub mod permits;
pub mod receive;
pub(crate) mod second_copy;
pub mod signals;
pub(crate) mod stacks;
pub(crate) mod streams;
pub(crate) mod terminal;
pub mod threads;
pub(crate) mod ticks;
pub(crate) mod tracing;
pub mod traps;
pub(crate) mod users;
pub(crate) mod wall_clock;
