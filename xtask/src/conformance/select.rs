//! [`Selection`]: which cases run against which backends.

use childwatch_ptrace_free_tests::{BackendUnderTest, CASES, Case, Cell, Clause, backends};
use clap::builder::{PossibleValuesParser, TypedValueParser};

type Backend = &'static dyn BackendUnderTest;

/// What the command line picks. An option that isn't given picks all.
#[derive(clap::Args)]
pub(crate) struct Selection {
    /// Only this backend; may be given again for more
    #[arg(long = "backend", value_name = "B", value_parser = backend_parser())]
    backends: Vec<Backend>,

    /// Only this case; may be given again for more [--list shows all]
    #[arg(long = "case", value_name = "C", value_parser = case_parser(), hide_possible_values = true)]
    cases: Vec<&'static Case>,

    /// Only the cases of this clause, such as C7; may be given again for more
    #[arg(long = "clause", value_name = "C7", value_parser = clause)]
    clauses: Vec<Clause>,
}

impl Selection {
    /// The picked cells: backend by backend, each in the order of the list of
    /// cases.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell<'static>> {
        let cell = |backend| move |case| Cell { backend, case };
        self.backends()
            .flat_map(move |backend| self.cases().into_iter().map(cell(backend)))
    }

    /// The picked cases: those of a picked name and of a picked clause. None, if
    /// the two don't meet.
    pub(crate) fn cases(&self) -> Vec<&'static Case> {
        let is_picked = |case: &&Case| {
            let mut names = self.cases.iter().map(|picked| picked.name);
            (self.cases.is_empty() || names.any(|name| name == case.name))
                && (self.clauses.is_empty() || self.clauses.contains(&case.clause))
        };
        CASES.iter().filter(is_picked).collect()
    }

    fn backends(&self) -> impl Iterator<Item = Backend> {
        let is_picked = |backend: &Backend| {
            let mut names = self.backends.iter().map(|picked| picked.name());
            self.backends.is_empty() || names.any(|name| name == backend.name())
        };
        backends::ALL.iter().copied().filter(is_picked)
    }
}

fn backend_parser() -> impl TypedValueParser<Value = Backend> {
    PossibleValuesParser::new(backends::ALL.iter().map(|backend| backend.name())).try_map(|name| {
        let mut all = backends::ALL.iter().copied();
        all.find(|backend| backend.name() == name)
            .ok_or_else(|| format!("{name:?} is no backend"))
    })
}

fn case_parser() -> impl TypedValueParser<Value = &'static Case> {
    PossibleValuesParser::new(CASES.iter().map(|case| case.name))
        .try_map(|name| Case::named(&name).ok_or_else(|| format!("{name:?} is no case")))
}

fn clause(tag: &str) -> Result<Clause, String> {
    tag.parse().map_err(|error| {
        let tags: Vec<_> = Clause::ALL.iter().map(Clause::to_string).collect();
        format!("{error}, which has {}", tags.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(cases: &[&'static Case], clauses: &[Clause], backends: &[Backend]) -> Selection {
        Selection {
            backends: backends.to_vec(),
            cases: cases.to_vec(),
            clauses: clauses.to_vec(),
        }
    }

    #[test]
    fn no_option_picks_all() {
        let all = picked(&[], &[], &[]);
        assert_eq!(all.cells().count(), CASES.len() * backends::ALL.len());
    }

    #[test]
    fn a_clause_picks_its_cases_and_a_backend_its_column() {
        let some = picked(&[], &[Clause::C3], &backends::ALL[..1]);
        assert_ne!(some.cells().count(), 0);
        for cell in some.cells() {
            assert_eq!(cell.case.clause, Clause::C3);
            assert_eq!(cell.backend.name(), backends::ALL[0].name());
        }
    }

    #[test]
    fn a_case_picked_twice_runs_once() {
        let case = &CASES[0];
        assert_eq!(picked(&[case, case], &[], &[]).cases().len(), 1);
    }

    #[test]
    fn a_case_and_another_clause_pick_nothing() {
        let case = CASES.iter().find(|case| case.clause == Clause::C3).unwrap();
        assert!(picked(&[case], &[Clause::C7], &[]).cases().is_empty());
    }
}
