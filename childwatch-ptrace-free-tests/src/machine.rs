//! What stands between a program and the kernel: namespaces, sandboxes and interpreters.

pub(crate) mod anew;
pub mod interpreter;
pub mod namespace;
pub mod numbers;
pub mod refusal;
pub mod sandbox;
pub(crate) mod static_program;
