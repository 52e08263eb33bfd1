//! [`Conditions`]: how a slice is measured.

use clap::ValueEnum;

/// How a slice is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Conditions {
    #[arg(long, value_enum)]
    pub(crate) effort: Effort,
    #[arg(long)]
    pub(crate) pin: bool,
}

/// How much to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Effort {
    /// Enough for numbers that mean something.
    Full,
    /// Enough to see that everything runs.
    Quick,
}

impl Effort {
    /// Chooses between the values of a full and of a quick run.
    pub(crate) fn choose<T>(self, full: T, quick: T) -> T {
        match self {
            Effort::Full => full,
            Effort::Quick => quick,
        }
    }
}
