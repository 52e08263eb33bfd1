//! [`look_at`]: whether an armed child is over, and whose the number is now.

use std::process::ExitStatus;

use childwatch_core::Pid;

use crate::child::{self, Child, Started, Ticks};
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
    let &Suspect {
        pid,
        armed_at,
        hint,
        ..
    } = suspect;
    match child::look_at(pid) {
        // The zombie may be the number's next child; its status is another's then.
        Child::Exited(status) => match hint {
            Some(told) if told != status && child::started(pid, armed_at) == Started::After => {
                Look::Over(hint)
            }
            _ => Look::Over(Some(status)),
        },
        // Somebody has reaped it; the signal has told its status, if it came.
        Child::Gone => Look::Over(hint),
        Child::NotYet if hint.is_some() || checks_identity => {
            if is_anothers(pid, armed_at, hint) {
                Look::Over(hint)
            } else {
                Look::Alive
            }
        }
        Child::NotYet => Look::Alive,
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
