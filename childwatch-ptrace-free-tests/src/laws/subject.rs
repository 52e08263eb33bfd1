//! [`SourceUnderTest`]: a source whose laws are tested.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use childwatch_core::WatchError;
use childwatch_core::source::{ExitSource, PollableSource};

use super::law::Law;
use super::processes::Processes;
use super::{of_exit_source, of_pollable_source};
use crate::kit::child::{Nursery, RealNursery};

/// A source whose laws [`laws_main!`](crate::laws_main) tests: its name, its constructor, and how
/// its processes are made. The module [`laws`](mod@crate::laws) has the rules.
pub struct SourceUnderTest {
    name: &'static str,
    laws: Vec<Bound>,
    nursery: fn() -> Box<dyn Nursery>,
    unit_of_start_times: Duration,
}

/// A law, bound to the constructor of a source.
struct Bound {
    name: &'static str,
    run: Box<Run>,
}

type Run = dyn Fn(&Processes) -> Result<(), String> + Send + Sync;

impl SourceUnderTest {
    /// A source to be tested against S1 to S9, S13 and S14. `make` returns a new source and its
    /// waiter.
    pub fn new<S: ExitSource>(
        name: &'static str,
        make: impl Fn() -> Result<(S, S::Waiter), WatchError> + Send + Sync + 'static,
    ) -> Self {
        Self::with(name, of_exit_source(), make)
    }

    /// A source to be tested against all laws, S1 to S14.
    pub fn pollable<S: PollableSource>(
        name: &'static str,
        make: impl Fn() -> Result<(S, S::Waiter), WatchError> + Send + Sync + 'static,
    ) -> Self {
        let mut laws = of_exit_source();
        laws.extend(of_pollable_source());
        Self::with(name, laws, make)
    }

    /// Says that the source tells a pid's next process by its start time, in this unit. The
    /// default is zero. See
    /// [`BackendUnderTest::unit_of_start_times`](crate::BackendUnderTest::unit_of_start_times).
    #[must_use]
    pub fn start_times_in(self, unit: Duration) -> Self {
        SourceUnderTest {
            unit_of_start_times: unit,
            ..self
        }
    }

    /// Says where the processes come from. The default forks real ones.
    #[must_use]
    pub fn with_nursery(self, nursery: fn() -> Box<dyn Nursery>) -> Self {
        SourceUnderTest { nursery, ..self }
    }

    fn with<S: ExitSource>(
        name: &'static str,
        laws: Vec<Law<S>>,
        make: impl Fn() -> Result<(S, S::Waiter), WatchError> + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(make);
        let bind = |law: Law<S>| {
            let make = Arc::clone(&make);
            Bound {
                name: law.name,
                run: Box::new(move |processes| {
                    let (source, mut waiter) = made(make())?;
                    law.run(&source, &mut waiter, processes)
                }),
            }
        };
        SourceUnderTest {
            name,
            laws: laws.into_iter().map(bind).collect(),
            nursery: || Box::new(RealNursery),
            unit_of_start_times: Duration::ZERO,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the names of the laws.
    pub(crate) fn laws(&self) -> impl Iterator<Item = &'static str> {
        self.laws.iter().map(|law| law.name)
    }

    /// Tests the law of this name with a new source. Returns the reason if it cannot be tested.
    ///
    /// # Panics
    ///
    /// If the source breaks the law, or has no such law.
    pub(crate) fn test(&self, law: &str) -> Result<(), String> {
        let law = self.laws.iter().find(|known| known.name == law);
        let law = law.expect("one of `laws`");
        let processes = Processes {
            nursery: (self.nursery)(),
            unit_of_start_times: self.unit_of_start_times,
        };
        (law.run)(&processes)
    }
}

fn made<T>(made: Result<T, WatchError>) -> Result<T, String> {
    match made {
        Ok(made) => Ok(made),
        Err(error @ WatchError::Unsupported { .. }) => Err(error.to_string()),
        Err(error) => panic!("the source cannot be made: {error}"),
    }
}

impl fmt::Debug for SourceUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceUnderTest")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
