//! [`look_at`]: whether an armed child is over, and whose the number is now.

use std::process::ExitStatus;

use childwatch_core::Pid;

use crate::child::{self, Child, Started, Ticks};
use crate::kernel::Release;
use crate::table::Suspect;

/// What a look at a suspect comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Alive,
    Over(Option<ExitStatus>),
}

/// Looks at one armed child. `checks_identity` has the start time looked at though there
/// is no doubt.
pub(crate) fn look_at(suspect: &Suspect, checks_identity: bool) -> Look {
    judge(suspect, child::look_at(suspect.pid), checks_identity)
}

/// What it means that the child with this number is in this state.
fn judge(suspect: &Suspect, state: Child, checks_identity: bool) -> Look {
    let &Suspect {
        pid,
        armed_at,
        hint,
        ..
    } = suspect;
    match state {
        // Its status is another's if it is the number's next child.
        Child::Exited(status) if zombie_is_anothers(pid, armed_at, hint, status) => {
            Look::Over(hint)
        }
        Child::Exited(status) => Look::Over(Some(status)),
        // Somebody has reaped it; the signal has told its status, if it came.
        Child::Gone => Look::Over(hint),
        Child::NotYet if hint.is_some() || checks_identity => {
            if is_anothers(pid, armed_at, hint) {
                Look::Over(hint)
            } else {
                Look::Alive
            }
        }
        // A signal has told of its end, and of its status; nothing better can be had.
        Child::Refused(_) if hint.is_some() => Look::Over(hint),
        Child::NotYet | Child::Refused(_) => Look::Alive,
    }
}

/// Whether a number's zombie is another child's than the one it was armed for, whose end
/// a signal may have told of.
pub(crate) fn zombie_is_anothers(
    pid: Pid,
    armed_at: Ticks,
    hint: Option<ExitStatus>,
    status: ExitStatus,
) -> bool {
    match hint {
        // One process has one status, if its signal tells that; else it is more likely that
        // its first thread ended first than that the number came back within one tick.
        Some(told) if told != status => match child::started(pid, armed_at) {
            Started::After => true,
            Started::AboutThen => Release::running().signals_tell_own_status(),
            Started::Before | Started::Unknown => false,
        },
        // The start is looked at when somebody asks for the number: see `is_reaped`.
        _ => false,
    }
}

/// Whether a number that is alive is another child's than the one it was armed for.
pub(crate) fn is_anothers(pid: Pid, armed_at: Ticks, hint: Option<ExitStatus>) -> bool {
    match child::started(pid, armed_at) {
        Started::After => true,
        Started::AboutThen => hint.is_some(),
        Started::Before | Started::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Child as Spawned;

    use childwatch_core::Token;
    use rustix::io::Errno;

    use super::*;
    use crate::child::tests::{cat, dies};

    fn suspect(child: &Spawned, armed_at: Ticks, hint: Option<ExitStatus>) -> Suspect {
        Suspect {
            token: Token::from_parts(0, 0),
            pid: Pid::from(child),
            armed_at,
            hint,
        }
    }

    fn told(look: Look) -> Option<Option<ExitStatus>> {
        match look {
            Look::Alive => None,
            Look::Over(status) => Some(status),
        }
    }

    #[test]
    fn a_live_number_is_its_next_childs_when_a_hint_or_a_check_and_the_start_say_so() {
        let mut child = cat();
        let hint = Some(ExitStatus::from_raw(9));
        let (before, after) = (Ticks::ZERO, Ticks::now().and(1));
        let look = |armed_at, hint, checks_identity| {
            told(look_at(&suspect(&child, armed_at, hint), checks_identity))
        };
        // The child was there when it was armed.
        for (hint, checks_identity) in [(None, false), (None, true), (hint, false)] {
            assert_eq!(look(after, hint, checks_identity), None);
        }
        // The number was armed for a former one.
        assert_eq!(
            look(before, None, false),
            None,
            "nothing gives rise to doubt"
        );
        assert_eq!(look(before, None, true), Some(None));
        assert_eq!(look(before, hint, false), Some(hint));
        dies(&mut child);
        child.wait().unwrap();
    }

    #[test]
    fn a_zombie_has_its_own_status_unless_it_is_the_numbers_next_child() {
        let mut child = cat();
        dies(&mut child);
        let own = Some(ExitStatus::from_raw(0));
        let hint = Some(ExitStatus::from_raw(9));
        let (before, after) = (Ticks::ZERO, Ticks::now().and(1));
        let look = |armed_at, hint| told(look_at(&suspect(&child, armed_at, hint), false));
        assert_eq!(look(after, None), Some(own));
        assert_eq!(look(after, hint), Some(own), "the hint was another's");
        assert_eq!(look(before, own), Some(own));
        assert_eq!(look(before, hint), Some(hint), "the zombie is another");

        // One process has one status, and another may have the same.
        let own_status = ExitStatus::from_raw(0);
        let pid = Pid::from(&child);
        assert!(!zombie_is_anothers(pid, before, own, own_status));
        assert!(zombie_is_anothers(pid, before, hint, own_status));

        let gone = suspect(&child, before, hint);
        child.wait().unwrap();
        assert_eq!(told(look_at(&gone, false)), Some(hint));
    }

    #[test]
    fn where_a_sandbox_refuses_the_question_a_signal_is_believed() {
        let mut child = cat();
        let hint = Some(ExitStatus::from_raw(9));
        let refused = |hint| {
            let suspect = suspect(&child, Ticks::now(), hint);
            told(judge(&suspect, Child::Refused(Errno::PERM), true))
        };
        assert_eq!(refused(None), None);
        assert_eq!(refused(hint), Some(hint));
        dies(&mut child);
        child.wait().unwrap();
    }

    #[test]
    fn when_the_start_does_not_tell_a_hint_decides() {
        let mut child = cat();
        let pid = Pid::from(&child);
        let spawned = Ticks::now();
        // It was started in one of the ticks before now.
        let about_then = (0..100)
            .map(|back| spawned.and(-back))
            .find(|moment| child::started(pid, *moment) == Started::AboutThen)
            .unwrap();
        let (own, other) = (ExitStatus::from_raw(0), Some(ExitStatus::from_raw(9)));
        let is_believed = Release::running().signals_tell_own_status();
        assert_eq!(zombie_is_anothers(pid, about_then, other, own), is_believed);
        assert!(!is_anothers(pid, about_then, None));
        assert!(is_anothers(pid, about_then, Some(ExitStatus::from_raw(0))));
        dies(&mut child);
        child.wait().unwrap();
        let hint = Some(ExitStatus::from_raw(0));
        assert!(!is_anothers(pid, Ticks::ZERO, hint), "it is nobody's");
    }
}
