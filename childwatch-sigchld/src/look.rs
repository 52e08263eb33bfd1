//! What looks: the state of one child, and whether its pid is still its own.
//!
//! [`child`] asks `waitid`, [`proc`] reads `/proc`, and [`judge`] concludes. [`signalled`] sends a
//! signal to a child that is looked at.

pub(crate) mod child;
pub(crate) mod judge;
pub(crate) mod proc;
pub(crate) mod release;
pub(crate) mod signalled;
