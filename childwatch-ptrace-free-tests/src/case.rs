//! [`Case`] and [`Clause`]: what is proven, and of which clause.

use std::fmt;
use std::str::FromStr;

use crate::Stage;
use crate::backend::{BackendUnderTest, Need};
use crate::host::{CASES_OF_HOSTS, Host};

pub use crate::cases::CASES;

/// One thing that every watcher does.
#[derive(Debug)]
pub struct Case {
    /// A sentence, as an identifier.
    pub name: &'static str,
    /// The clause that it proves.
    pub clause: Clause,
    /// What it needs; without, it is unsupported.
    pub needs: &'static [Need],
    /// Panics when the clause does not hold.
    pub run: fn(&Stage<'_>),
}

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

    /// Whether the case can run here against `backend`; the reason if not.
    ///
    /// # Errors
    ///
    /// Returns the reason, which the report shows.
    pub fn is_supported(&self, backend: &dyn BackendUnderTest) -> Result<(), String> {
        if !self.needs.contains(&Need::AnAnswer) {
            backend.is_available()?;
        }
        self.needs.iter().try_for_each(|need| need.check(backend))
    }
}

macro_rules! clauses {
    ($($clause:ident = $title:literal,)*) => {
        /// A clause of [`PidWatcher`](childwatch_core::PidWatcher)'s contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Clause {
            $(
                #[doc = $title]
                $clause,
            )*
        }

        impl Clause {
            /// Every clause, in order.
            pub const ALL: &[Clause] = &[$(Clause::$clause),*];

            /// What the clause is called in the contract.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Clause::$clause => $title,)*
                }
            }
        }
    };
}

clauses! {
    C1 = "register",
    C2 = "refuse",
    C3 = "once",
    C4 = "where",
    C5 = "late",
    C6 = "truth",
    C7 = "no reaping",
    C8 = "unregister_pid",
    C9 = "unregister_callback",
    C10 = "re-entry",
    C11 = "panics",
    C12 = "drop",
    C13 = "identity",
    C14 = "only exit",
    C15 = "fork",
    C16 = "footprint",
    C17 = "concurrency",
    C18 = "host",
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Clause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Clause::ALL
            .iter()
            .copied()
            .find(|clause| clause.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no clause of the contract"))
    }
}
