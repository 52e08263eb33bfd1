//! The names of the candidates that targets and plots speak of.

pub(crate) const FLOOR: &str = "floor";
pub(crate) const FLOOR_WITH_STATUS: &str = "floor+status";
pub(crate) const OLD_DESIGN: &str = "old design";
pub(crate) const TOKIO: &str = "tokio";
pub(crate) const PIDFD: &str = "pidfd";
pub(crate) const SIGCHLD: &str = "sigchld";
pub(crate) const SIGCHLD_BLOCKED: &str = "sigchld+blocked";
pub(crate) const FALLBACK: &str = "fallback";
