//! [`Clause`]: a clause of the contract.

use std::fmt;
use std::str::FromStr;

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
    C19 = "pidfds",
    C20 = "signals",
    C21 = "reapings",
}

/// The clauses as the documentation of the trait has them. A test of childwatch-proofs keeps them
/// equal.
const TEXTS: &str = include_str!("clauses.txt");

impl Clause {
    /// The whole text of the clause, as the contract has it. It begins with the tag and the
    /// title, such as `[C7] no reaping.`
    #[must_use]
    pub fn text(self) -> &'static str {
        let tag = format!("[{self}] ");
        let mut texts = TEXTS.split_terminator("\n\n\n");
        texts
            .find(|text| text.starts_with(&tag))
            .unwrap_or_default()
            .trim_end()
    }
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
