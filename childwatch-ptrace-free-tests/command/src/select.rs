//! [`Selection`]: which cases and hosts run against which backends.

use childwatch_ptrace_free_tests::{BackendUnderTest, CASES, Case, Cell, Clause, HOSTS};

use crate::names;

type Backend = &'static dyn BackendUnderTest;

/// The name that stands for every host.
const ALL: &str = "all";

/// The selection of the command line. If no case, clause or host is named, it selects all of
/// them.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Selection {
    /// Run only this backend, or those with this in their names. May be given more than once.
    #[arg(long = "backend", value_name = "B")]
    backends: Vec<String>,

    /// Run only this case, or those with this in their names. May be given more than once.
    /// [--list shows all]
    #[arg(long = "case", value_name = "C")]
    cases: Vec<String>,

    /// Run only the cases of this clause, such as C7. May be given more than once.
    #[arg(long = "clause", value_name = "C7", value_parser = clause)]
    clauses: Vec<Clause>,

    /// Run only in this host, a program around the watcher, or in those with this in their
    /// names, or in `all`. May be given more than once. In a sandbox, hosts run only if they
    /// are named. [--list shows all]
    #[arg(long = "host", value_name = "H")]
    hosts: Vec<String>,
}

/// What a selection means.
pub(crate) struct Selected {
    backends: Vec<Backend>,
    /// In the order of the lists of cases and hosts.
    pub(crate) cases: Vec<&'static Case>,
    /// A line for the user about each part of a name: how many names it has matched.
    pub(crate) notes: Vec<String>,
}

impl Selected {
    /// Returns the selected cells: backend by backend, each in the order of the cases.
    pub(crate) fn cells(&self) -> Vec<Cell<'static>> {
        let of_backend = |&backend: &Backend| {
            let cases = self.cases.iter();
            cases.map(move |&case| Cell { backend, case })
        };
        self.backends.iter().flat_map(of_backend).collect()
    }
}

impl Selection {
    /// Finds what the names mean.
    ///
    /// # Errors
    ///
    /// Returns the text for the user if a name is not known, or if nothing is selected.
    pub(crate) fn resolve(
        &self,
        backends: &[Backend],
        in_a_sandbox: bool,
    ) -> Result<Selected, String> {
        let mut notes = Vec::new();
        let cases: Vec<&Case> = CASES.iter().collect();
        let picked_backends = pick("backend", &self.backends, backends, &mut notes, |it| {
            it.name()
        })?;
        let picked_cases = pick("case", &self.cases, &cases, &mut notes, |case| case.name)?;
        let all_hosts = self.hosts.iter().any(|name| name == ALL);
        let named: Vec<_> = self
            .hosts
            .iter()
            .filter(|name| *name != ALL)
            .cloned()
            .collect();
        let hosts: Vec<&Case> = HOSTS.iter().map(|host| host.case()).collect();
        let picked_hosts = pick("host", &named, &hosts, &mut notes, |host| host.name)?;

        let names_cases = !self.cases.is_empty() || !self.clauses.is_empty();
        let names_hosts = !self.hosts.is_empty();
        let mut cases = Vec::new();
        if names_cases || !names_hosts {
            let is_of_a_clause =
                |case: &&Case| self.clauses.is_empty() || self.clauses.contains(&case.clause);
            cases.extend(picked_cases.into_iter().filter(is_of_a_clause));
        }
        if names_cases && cases.is_empty() {
            return Err("no case that --case names is of a clause that --clause names".to_owned());
        }
        if all_hosts || !names_cases && !names_hosts && !in_a_sandbox {
            cases.extend(hosts);
        } else if names_hosts {
            cases.extend(picked_hosts);
        }
        Ok(Selected {
            backends: picked_backends,
            cases,
            notes,
        })
    }
}

/// Returns what the names mean, in the order of the list of all, and all if there is no name.
fn pick<T: Copy>(
    what: &str,
    names: &[String],
    all: &[T],
    notes: &mut Vec<String>,
    name: impl Fn(T) -> &'static str,
) -> Result<Vec<T>, String> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let mut picked = Vec::new();
    for part in names {
        let matched = names::matching(part, all.iter().copied(), &name);
        match &matched[..] {
            [] => {
                let known = all.iter().map(|one| name(*one));
                return Err(names::unknown(what, part, known));
            }
            [one] if name(*one) == part => {}
            [one] => notes.push(format!("--{what} {part} matches {}", name(*one))),
            some => notes.push(format!("--{what} {part} matches {} {what}s", some.len())),
        }
        picked.extend(matched.into_iter().map(&name));
    }
    let is_picked = |one: &T| picked.contains(&name(*one));
    Ok(all.iter().copied().filter(is_picked).collect())
}

fn clause(tag: &str) -> Result<Clause, String> {
    tag.parse().map_err(|error| {
        let tags: Vec<_> = Clause::ALL.iter().map(Clause::to_string).collect();
        format!("{error}, which has {}", tags.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};
    use childwatch_ptrace_free_tests::Feature;

    use super::*;

    /// A backend of which only the name is asked.
    struct Named(&'static str);

    impl BackendUnderTest for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
            let watcher = SimulatedWatcher::new(&SimulatedProcesses::new())?;
            Ok(Box::new(watcher))
        }

        fn offers(&self, _: Feature) -> Result<(), String> {
            Ok(())
        }
    }

    static BACKENDS: &[&dyn BackendUnderTest] = &[
        &Named("pidfd"),
        &Named("sigchld"),
        &Named("pidfd-driven"),
        &Named("sigchld-driven"),
    ];

    fn picked(cases: &[&str], clauses: &[Clause], backends: &[&str]) -> Selection {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Selection {
            backends: owned(backends),
            cases: owned(cases),
            clauses: clauses.to_vec(),
            hosts: Vec::new(),
        }
    }

    fn resolved(selection: &Selection) -> Selected {
        selection.resolve(BACKENDS, false).ok().unwrap()
    }

    #[test]
    fn no_option_picks_all() {
        let all = resolved(&Selection::default());
        let each = CASES.len() + HOSTS.len();
        assert_eq!(all.cells().len(), each * BACKENDS.len());
        assert_eq!(all.notes, [""; 0]);
    }

    #[test]
    fn in_a_sandbox_only_named_hosts_run() {
        let mut some = Selection::default();
        let names = |selection: &Selection| {
            let selected = selection.resolve(BACKENDS, true).ok().unwrap();
            selected
                .cases
                .iter()
                .map(|case| case.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&some).len(), CASES.len());
        some.hosts = vec![HOSTS[0].name.to_owned()];
        assert_eq!(names(&some), [HOSTS[0].name]);
    }

    #[test]
    fn a_case_and_a_host_pick_both() {
        let mut both = picked(&[CASES[0].name], &[], &[]);
        both.hosts = vec![HOSTS[0].name.to_owned(), HOSTS[0].name.to_owned()];
        let names: Vec<_> = resolved(&both).cases.iter().map(|case| case.name).collect();
        assert_eq!(names, [CASES[0].name, HOSTS[0].name]);
        both.hosts = vec![ALL.to_owned()];
        assert_eq!(resolved(&both).cases.len(), 1 + HOSTS.len());
    }

    #[test]
    fn a_clause_picks_its_cases_and_a_backend_its_column() {
        let some = resolved(&picked(&[], &[Clause::C3], &["pidfd"]));
        assert_ne!(some.cells().len(), 0);
        for cell in some.cells() {
            assert_eq!(cell.case.clause, Clause::C3);
            assert_eq!(cell.backend.name(), "pidfd");
        }
    }

    #[test]
    fn a_case_picked_twice_runs_once() {
        let case = CASES[0].name;
        assert_eq!(resolved(&picked(&[case, case], &[], &[])).cases.len(), 1);
    }

    #[test]
    fn a_part_of_a_name_picks_each_case_that_has_it_and_says_how_many() {
        let some = resolved(&picked(&["zombie"], &[], &["driven"]));
        assert!(some.cases.len() > 1);
        assert!(some.cases.iter().all(|case| case.name.contains("zombie")));
        let notes = [
            format!("--backend driven matches {} backends", some.backends.len()),
            format!("--case zombie matches {} cases", some.cases.len()),
        ];
        assert_eq!(some.notes, notes);
    }

    #[test]
    fn an_unknown_name_is_answered_with_a_few_near_names() {
        let unknown = picked(&["a_zombi_is_registred"], &[], &[]);
        let error = unknown.resolve(BACKENDS, false).err().unwrap();
        assert!(
            error.starts_with(
                "no case is called `a_zombi_is_registred`; the nearest: a_zombie_is_registered"
            ),
            "{error}"
        );
        assert!(error.len() < 300, "{error}");
    }

    #[test]
    fn a_case_and_another_clause_pick_nothing() {
        let case = CASES.iter().find(|case| case.clause == Clause::C3).unwrap();
        let none = picked(&[case.name], &[Clause::C7], &[]);
        assert!(none.resolve(BACKENDS, false).is_err());
    }
}
