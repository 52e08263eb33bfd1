//! [`Case`]: what is proven, and of which clause.

use crate::backend::need::Need;
use crate::backend::stage::Stage;
use crate::backend::under_test::BackendUnderTest;

use clause::Clause;

pub(crate) mod clause;

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
