//! The names of the candidates that rows, targets and plots speak of.

pub(crate) const FLOOR: &str = "floor";
pub(crate) const FLOOR_WITH_STATUS: &str = "floor+status";
pub(crate) const FLOOR_NESTED: &str = "floor+status+nested";
pub(crate) const OLD_DESIGN: &str = "old design";
pub(crate) const THREAD: &str = "thread";
pub(crate) const TOKIO: &str = "tokio";
pub(crate) const ASYNC_FD: &str = "AsyncFd+status";
pub(crate) const TOKIO_PROCESS: &str = "tokio::process";
pub(crate) const ASYNC_PROCESS: &str = "async-process";
pub(crate) const PIDFD: &str = "pidfd";
pub(crate) const SIGCHLD: &str = "sigchld";
pub(crate) const SIGCHLD_BLOCKED: &str = "sigchld+blocked";
pub(crate) const FALLBACK: &str = "fallback";
pub(crate) const PIDFD_DRIVEN: &str = "pidfd-driven";
pub(crate) const SIGCHLD_DRIVEN: &str = "sigchld-driven";
pub(crate) const FALLBACK_DRIVEN: &str = "fallback-driven";
