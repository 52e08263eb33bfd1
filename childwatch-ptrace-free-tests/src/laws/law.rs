//! [`Law`]: one test of a source.

use childwatch_core::source::ExitSource;

use super::need::Need;
use super::processes::Processes;

/// One test of a source. It fails by a panic.
pub(crate) struct Law<S: ExitSource> {
    /// The name of its function. It begins with the tag of the law.
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) check: fn(&S, &mut S::Waiter, &Processes),
}

impl<S: ExitSource> Law<S> {
    /// Returns the reason if the test cannot run with this source, or on this machine.
    pub(crate) fn run(
        &self,
        source: &S,
        waiter: &mut S::Waiter,
        processes: &Processes,
    ) -> Result<(), String> {
        for need in self.needs {
            need.check(source, processes)?;
        }
        (self.check)(source, waiter, processes);
        Ok(())
    }
}
