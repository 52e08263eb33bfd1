//! The system calls that the suite needs and rustix does not have, and what it
//! reads from the kernel. All `unsafe` of the suite's own machinery is here, and in
//! `crowd`, `sleeper`, `namespace` and the hosts that fork.

pub mod answered;
pub mod birth;
pub mod chained;
pub mod death;
pub mod directory;
pub mod heap;
pub mod limits;
pub mod notices;
pub mod own_handler;
pub mod permits;
pub mod receive;
pub mod second_copy;
pub mod signals;
pub mod stacks;
pub mod streams;
pub mod threads;
pub mod ticks;
pub mod tracing;
pub mod traps;
pub mod users;
pub mod wall_clock;
