//! [`Selection`]: which cases and hosts run against which backends.

use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::{BackendUnderTest, CASES, Case, Cell, Clause, HOSTS, Host};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

type Backend = &'static dyn BackendUnderTest;

/// The selection of the command line. If no case, clause or host is named, it selects all of
/// them.
#[derive(clap::Args)]
pub(crate) struct Selection {
    /// Run only this backend. May be given more than once.
    #[arg(long = "backend", value_name = "B", value_parser = backend_parser())]
    backends: Vec<Backend>,

    /// Run only this case. May be given more than once. [--list shows all]
    #[arg(long = "case", value_name = "C", value_parser = case_parser(), hide_possible_values = true)]
    cases: Vec<&'static Case>,

    /// Run only the cases of this clause, such as C7. May be given more than once.
    #[arg(long = "clause", value_name = "C7", value_parser = clause)]
    clauses: Vec<Clause>,

    /// Run only in this host, a program around the watcher, or in `all`. May be given more
    /// than once. In a sandbox, hosts run only if they are named.
    #[arg(long = "host", value_name = "H", value_parser = host_parser(), hide_possible_values = true)]
    hosts: Vec<PickedHosts>,
}

/// The value of one `--host`.
#[derive(Clone, Copy)]
enum PickedHosts {
    All,
    One(&'static Host),
}

impl Selection {
    /// Returns the selected cells: backend by backend, each in the order of the lists of
    /// cases and hosts.
    pub(crate) fn cells(&self, in_a_sandbox: bool) -> impl Iterator<Item = Cell<'static>> {
        let cell = |backend| move |case| Cell { backend, case };
        let cases = self.cases(in_a_sandbox);
        self.backends()
            .flat_map(move |backend| cases.clone().into_iter().map(cell(backend)))
    }

    /// Returns the selected cases, and those of the selected hosts.
    pub(crate) fn cases(&self, in_a_sandbox: bool) -> Vec<&'static Case> {
        let names_cases = !self.cases.is_empty() || !self.clauses.is_empty();
        let plain = if names_cases || self.hosts.is_empty() {
            self.plain_cases()
        } else {
            Vec::new()
        };
        let all = !names_cases && self.hosts.is_empty() && !in_a_sandbox;
        let hosts = HOSTS.iter().filter(|host| all || self.names(host));
        plain
            .into_iter()
            .chain(hosts.map(|host| host.case()))
            .collect()
    }

    fn names(&self, host: &Host) -> bool {
        self.hosts.iter().any(|picked| match picked {
            PickedHosts::All => true,
            PickedHosts::One(one) => one.name == host.name,
        })
    }

    /// Returns the cases that have a selected name and a selected clause.
    fn plain_cases(&self) -> Vec<&'static Case> {
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

fn host_parser() -> impl TypedValueParser<Value = PickedHosts> {
    let one = |host: &&'static Host| PossibleValue::new(host.name).help(host.is);
    let all = PossibleValue::new("all").help("every host");
    PossibleValuesParser::new(std::iter::once(all).chain(HOSTS.iter().map(one))).try_map(|name| {
        match Host::named(&name) {
            Some(host) => Ok(PickedHosts::One(host)),
            None if name == "all" => Ok(PickedHosts::All),
            None => Err(format!("{name:?} is no host")),
        }
    })
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
            hosts: Vec::new(),
        }
    }

    #[test]
    fn no_option_picks_all() {
        let all = picked(&[], &[], &[]);
        let each = CASES.len() + HOSTS.len();
        assert_eq!(all.cells(false).count(), each * backends::ALL.len());
    }

    #[test]
    fn in_a_sandbox_only_named_hosts_run() {
        let mut some = picked(&[], &[], &[]);
        assert_eq!(some.cases(true).len(), CASES.len());
        some.hosts = vec![PickedHosts::One(HOSTS[0])];
        assert_eq!(some.cases(true).len(), 1);
        assert_eq!(some.cases(true)[0].name, HOSTS[0].name);
    }

    #[test]
    fn a_case_and_a_host_pick_both() {
        let mut both = picked(&[&CASES[0]], &[], &[]);
        both.hosts = vec![PickedHosts::One(HOSTS[0]), PickedHosts::One(HOSTS[0])];
        let names: Vec<_> = both.cases(false).iter().map(|case| case.name).collect();
        assert_eq!(names, [CASES[0].name, HOSTS[0].name]);
        both.hosts = vec![PickedHosts::All];
        assert_eq!(both.cases(false).len(), 1 + HOSTS.len());
    }

    #[test]
    fn a_clause_picks_its_cases_and_a_backend_its_column() {
        let some = picked(&[], &[Clause::C3], &backends::ALL[..1]);
        assert_ne!(some.cells(false).count(), 0);
        for cell in some.cells(false) {
            assert_eq!(cell.case.clause, Clause::C3);
            assert_eq!(cell.backend.name(), backends::ALL[0].name());
        }
    }

    #[test]
    fn a_case_picked_twice_runs_once() {
        let case = &CASES[0];
        assert_eq!(picked(&[case, case], &[], &[]).cases(false).len(), 1);
    }

    #[test]
    fn a_case_and_another_clause_pick_nothing() {
        let case = CASES.iter().find(|case| case.clause == Clause::C3).unwrap();
        assert!(picked(&[case], &[Clause::C7], &[]).cases(false).is_empty());
    }
}
