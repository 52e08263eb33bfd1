//! What the suite asks of a backend and of the machine, and the stage that cases get.

pub(crate) mod availability;
pub(crate) mod facility;
pub(crate) mod feature;
pub(crate) mod need;
pub(crate) mod stage;
pub(crate) mod under_test;
