//! Cases and hosts by their names.

use crate::case::Case;
use crate::cases::CASES;
use crate::hosts::host::Host;
use crate::hosts::{CASES_OF_HOSTS, HOSTS};

impl Case {
    /// The case of this name, or that of the [`Host`] of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Case> {
        let mut all = CASES.iter().chain(CASES_OF_HOSTS);
        all.find(|case| case.name == name)
    }

    /// The host that the case lives as, if it does.
    #[must_use]
    pub fn host(&self) -> Option<&'static Host> {
        Host::named(self.name)
    }
}

impl Host {
    /// Returns the host of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Host> {
        HOSTS.iter().copied().find(|host| host.name == name)
    }

    /// Returns the case that lives as this host.
    ///
    /// # Panics
    ///
    /// If the host is not one of [`HOSTS`].
    #[must_use]
    pub fn case(&self) -> &'static Case {
        let mut cases = CASES_OF_HOSTS.iter();
        let case = cases.find(|case| case.name == self.name);
        case.expect("one list makes hosts and cases")
    }
}
