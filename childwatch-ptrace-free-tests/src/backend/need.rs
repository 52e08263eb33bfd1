//! [`Need`]: what a case needs that not every backend or machine has.

use std::fmt;

use super::facility::Facility;
use super::feature::Feature;
use super::under_test::BackendUnderTest;

/// What a case needs that not every backend or machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// The backend must offer this.
    Backend(Feature),
    /// The machine must offer this.
    Machine(Facility),
    /// The constructor must answer, with a watcher or an error. The case is also for where the
    /// backend is not available.
    AnAnswer,
}

impl Need {
    /// Returns `Ok` if this machine and backend have it.
    ///
    /// # Errors
    ///
    /// Returns the reason, which the report shows.
    pub fn check(self, backend: &dyn BackendUnderTest) -> Result<(), String> {
        match self {
            Need::Backend(feature) => backend.offers(feature),
            Need::Machine(facility) => facility.check(backend),
            Need::AnAnswer => Ok(()),
        }
    }

    /// Returns itself, so that a list may have needs beside features and facilities.
    pub(crate) const fn need(self) -> Need {
        self
    }
}

impl Feature {
    /// Returns the need of a case for this feature.
    pub(crate) const fn need(self) -> Need {
        Need::Backend(self)
    }
}

impl Facility {
    /// Returns the need of a case for this facility.
    pub(crate) const fn need(self) -> Need {
        Need::Machine(self)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Backend(feature) => fmt::Debug::fmt(feature, f),
            Need::Machine(facility) => fmt::Debug::fmt(facility, f),
            Need::AnAnswer => f.write_str("AnAnswer"),
        }
    }
}
