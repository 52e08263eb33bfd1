//! [`Finding`]: the result of a cell, with a reason unless it passed. The results of its
//! repeats fold into one.

use childwatch_ptrace_free_tests::{Outcome, Verdict};
use serde::{Deserialize, Serialize};

use crate::seconds::Seconds;

/// The result of one run of a cell, or of all its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    Passed,
    Failed(String),
    TimedOut(String),
    Unsupported(String),
}

impl Finding {
    /// Judges a verdict by the needs of the case. If the backend supports the case by its own
    /// word, a skip is a failure.
    pub fn judge(verdict: &Verdict, declared: &Result<(), String>) -> Self {
        match &verdict.outcome {
            Outcome::Passed => Finding::Passed,
            Outcome::Failed(reason) => Finding::Failed(reason.clone()),
            Outcome::TimedOut => {
                Finding::TimedOut(format!("killed after {}", Seconds(verdict.elapsed)))
            }
            Outcome::Unsupported(reason) if declared.is_ok() => {
                Finding::Failed(format!("a skip that the case doesn't declare: {reason}"))
            }
            Outcome::Unsupported(reason) => Finding::Unsupported(reason.clone()),
        }
    }

    /// Folds the repeats of a cell: returns the worst result, and how often it occurred.
    pub fn fold<'a>(repeats: impl ExactSizeIterator<Item = &'a Finding> + Clone) -> Self {
        let Some(worst) = repeats.clone().reduce(worse) else {
            return Finding::Failed("it never ran".to_owned());
        };
        let total = repeats.len();
        let count = |alike: fn(&Finding) -> bool| repeats.clone().filter(|one| alike(one)).count();
        let failed = count(|finding| matches!(finding, Finding::Failed(_)));
        let timed_out = count(|finding| matches!(finding, Finding::TimedOut(_)));
        let unsupported = count(|finding| matches!(finding, Finding::Unsupported(_)));
        match worst {
            _ if total == 1 => worst.clone(),
            Finding::Passed => Finding::Passed,
            Finding::Failed(reason) if timed_out > 0 => Finding::Failed(format!(
                "{failed} of {total} repeats failed, {timed_out} timed out: {reason}"
            )),
            Finding::Failed(reason) => {
                Finding::Failed(format!("{failed} of {total} repeats failed: {reason}"))
            }
            Finding::TimedOut(reason) => Finding::TimedOut(format!(
                "{timed_out} of {total} repeats timed out: {reason}"
            )),
            Finding::Unsupported(_) if unsupported == total => worst.clone(),
            Finding::Unsupported(reason) => Finding::Unsupported(format!(
                "{unsupported} of {total} repeats were unsupported: {reason}"
            )),
        }
    }

    /// Returns a single word for it.
    pub const fn label(&self) -> &'static str {
        match self {
            Finding::Passed => "passed",
            Finding::Failed(_) => "failed",
            Finding::TimedOut(_) => "timeout",
            Finding::Unsupported(_) => "unsupported",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Finding::Passed => None,
            Finding::Failed(reason) | Finding::TimedOut(reason) | Finding::Unsupported(reason) => {
                Some(reason)
            }
        }
    }

    /// Returns `true` if the result counts against the backend.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Finding::Failed(_) | Finding::TimedOut(_))
    }

    const fn badness(&self) -> u8 {
        match self {
            Finding::Passed => 0,
            Finding::Unsupported(_) => 1,
            Finding::TimedOut(_) => 2,
            Finding::Failed(_) => 3,
        }
    }
}

/// Returns the worse of two results, or the first if they are alike.
fn worse<'a>(first: &'a Finding, second: &'a Finding) -> &'a Finding {
    if second.badness() > first.badness() {
        second
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judged(outcome: Outcome, declared: Result<(), String>) -> Finding {
        let elapsed = Duration::from_millis(1_500);
        Finding::judge(&Verdict { outcome, elapsed }, &declared)
    }

    fn failed(reason: &str) -> Finding {
        Finding::Failed(reason.to_owned())
    }

    fn timed_out() -> Finding {
        Finding::TimedOut("killed after 1.5 s".to_owned())
    }

    #[test]
    fn a_declared_skip_is_a_skip() {
        let reason = "no ptrace here".to_owned();
        let finding = judged(Outcome::Unsupported(reason.clone()), Err(reason.clone()));
        assert_eq!(finding, Finding::Unsupported(reason));
        assert!(!finding.is_failure());
    }

    #[test]
    fn an_undeclared_skip_is_a_failure_that_says_so() {
        let finding = judged(Outcome::Unsupported("no mood".to_owned()), Ok(()));
        assert_eq!(
            finding,
            failed("a skip that the case doesn't declare: no mood")
        );
    }

    #[test]
    fn a_timeout_says_when_it_was_killed() {
        let finding = judged(Outcome::TimedOut, Ok(()));
        assert_eq!(finding, timed_out());
        assert!(finding.is_failure());
    }

    #[test]
    fn a_single_run_keeps_its_reason() {
        let one = [failed("the callback ran twice")];
        assert_eq!(Finding::fold(one.iter()), one[0]);
    }

    #[test]
    fn one_failure_fails_all_repeats_and_the_first_reason_is_told() {
        let repeats = [
            Finding::Passed,
            timed_out(),
            failed("first"),
            failed("second"),
        ];
        assert_eq!(
            Finding::fold(repeats.iter()),
            failed("2 of 4 repeats failed, 1 timed out: first")
        );
        assert_eq!(
            Finding::fold([Finding::Passed, failed("once")].iter()),
            failed("1 of 2 repeats failed: once")
        );
    }

    #[test]
    fn what_never_ran_has_not_passed() {
        assert!(Finding::fold([].iter()).is_failure());
    }

    #[test]
    fn a_timeout_among_passes_is_a_timeout() {
        let repeats = [Finding::Passed, timed_out(), Finding::Passed];
        let folded = Finding::fold(repeats.iter());
        let reason = "1 of 3 repeats timed out: killed after 1.5 s".to_owned();
        assert_eq!(folded, Finding::TimedOut(reason));
    }

    #[test]
    fn a_skip_of_every_repeat_keeps_its_reason() {
        let skip = Finding::Unsupported("no ptrace here".to_owned());
        assert_eq!(Finding::fold([&skip, &skip].into_iter()), skip);
        let some = Finding::fold([&skip, &Finding::Passed].into_iter());
        assert_eq!(
            some.reason(),
            Some("1 of 2 repeats were unsupported: no ptrace here")
        );
    }
}
