//! What looks: the state of one child, and whether its pid is still its own.
//!
//! [`child`] asks `waitid`, [`proc`] reads `/proc`, and [`judge`] concludes.

pub(crate) mod child;
pub(crate) mod judge;
pub(crate) mod proc;
pub(crate) mod release;
