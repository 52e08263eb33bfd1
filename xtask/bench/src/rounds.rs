//! How the rows are measured: slices in processes of their own, in circles, round after
//! round.

mod circle;
pub(crate) mod pid_max;
pub(crate) mod plan;
mod room;
pub(crate) mod round;
mod running;
pub(crate) mod series;
pub(crate) mod slice;
