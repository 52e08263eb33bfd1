//! The cases, without running them.

use std::io::{self, Write};

use childwatch_ptrace_free_tests::Case;

/// Writes a line for each case: clause, name, needs.
pub(crate) fn write(out: &mut impl Write, cases: &[&Case]) -> io::Result<()> {
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    for case in cases {
        let clause = case.clause.to_string();
        let line = format!("{clause:<4} {:<width$}  {}", case.name, needs(case));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn needs(case: &Case) -> String {
    let needs: Vec<_> = case.needs.iter().map(|need| need.to_string()).collect();
    if needs.is_empty() {
        return String::new();
    }
    format!("needs {}", needs.join(", "))
}

#[cfg(test)]
mod tests {
    use childwatch_ptrace_free_tests::{Clause, Facility, Need};

    use super::*;
    use crate::report::samples;

    #[test]
    fn a_line_a_case() {
        let plain = Case {
            name: "plain",
            clause: Clause::C1,
            needs: &[],
            run: |_| (),
        };
        let needy = Case {
            name: "a_needy_one",
            clause: Clause::C17,
            needs: &[
                Need::Machine(Facility::Ptrace),
                Need::Machine(Facility::OpenFiles(9)),
            ],
            run: |_| (),
        };
        let text = samples::written(|out| write(out, &[&plain, &needy]).unwrap());
        assert_eq!(
            text,
            "C1   plain\nC17  a_needy_one  needs Ptrace, OpenFiles(9)\n"
        );
    }
}
