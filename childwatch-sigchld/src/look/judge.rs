//! [`judge`]: what the state of a pid means for the child that was armed with that pid.
//!
//! # Doubt is never an exit
//!
//! If `waitid` shows a pid alive, the pid may have been reused. Then the armed child has exited,
//! and another one is alive. Only a proof leads to this conclusion. It has four parts:
//!
//! 1. `/proc` belongs to the pid namespace of this process.
//! 2. The process with the pid is a child of this process.
//! 3. It was started strictly later than the tick in which the armed child was seen to
//!    have the pid.
//! 4. This process was started no later than that tick. Otherwise it has been restored
//!    from a checkpoint (CRIU), which gives all processes new start times.
//!
//! Without the proof the armed child counts as alive.
//!
//! # Whose status it is
//!
//! | state of the pid | status from a hint | verdict |
//! |---|---|---|
//! | alive | any | alive, unless the proof above says reused |
//! | gone | any | gone: the hinted status, or none |
//! | zombie | none, or the same as the zombie's | ended, with the zombie's status |
//! | zombie | another than the zombie's | by the start of the zombie, as follows |
//! | … started later than the armed child | | gone: the hinted status |
//! | … started earlier | | ended, with the zombie's status |
//! | … in the same tick, or not known | | ended, without a status |
//! | not known: `waitid` is refused | none | alive |
//! | not known: `waitid` is refused | any | ended, with the hinted status, unless `/proc` shows it alive |
//!
//! The resource usage of a zombie goes with its status. There is one exception: if a live process
//! was seen after the hint, two processes may have had the same status, and the usage is not known.
//!
//! There are two reasons for a status that differs. It may be that of the process's first thread
//! (seen from Linux 5.17 to 6.12), or that of a former process whose signal was late.

use childwatch_core::Pid;
use childwatch_core::source::Ended;
use childwatch_core::source::clock::Ticks;

use super::child::State;
use super::proc::OwnProc;

use crate::table::{Candidate, HintedStatus};

/// What has become of an armed child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    /// The child has exited, with this status and usage if they are known. It is not known to be
    /// reaped.
    Ended(Option<Ended>),
    /// The child has been reaped. The hinted status counts.
    Gone,
}

/// Judges one armed child. `proof` is asked for only if there is a doubt.
pub(crate) fn judge(
    candidate: &Candidate,
    state: State,
    proof: impl Fn() -> Option<OwnProc>,
) -> Verdict {
    let Candidate { pid, armed_at, .. } = *candidate;
    match state {
        State::Gone => Verdict::Gone,
        State::NotYet
            if candidate.is_doubtful() && start(pid, armed_at, &proof) == Start::Later =>
        {
            Verdict::Gone
        }
        State::NotYet => Verdict::Alive,
        State::Exited(ended) if candidate.hinted_status.agrees_with(ended.status) => {
            Verdict::Ended(Some(candidate.hinted_status.trust(ended)))
        }
        State::Exited(ended) => match start(pid, armed_at, &proof) {
            Start::Later => Verdict::Gone,
            Start::Earlier => Verdict::Ended(Some(ended)),
            Start::Unknown => Verdict::Ended(None),
        },
        // A sandbox refuses `waitid`. A signal reported the exit. If `/proc` does not contradict,
        // the child has exited. It is not known whether it has been reaped.
        State::Refused(_) if candidate.hinted_status != HintedStatus::Nothing => {
            if proof().is_some_and(|proc| proc.shows_alive(pid)) {
                Verdict::Alive
            } else {
                Verdict::Ended(candidate.hinted_status.ended())
            }
        }
        State::Refused(_) => Verdict::Alive,
    }
}

/// How the start of the child that has a pid now relates to a moment at which the armed child
/// had that pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The child started before the moment, so it is the armed child.
    Earlier,
    /// The child started after the moment, so it is another child.
    Later,
    /// It may be either of the two: they are in the same tick, or `/proc` shows no start.
    Unknown,
}

pub(crate) fn start(pid: Pid, armed_at: Ticks, proof: impl Fn() -> Option<OwnProc>) -> Start {
    let start = proof()
        .filter(|proc| proc.can_compare(armed_at))
        .and_then(|proc| proc.child_start(pid));
    let Some(start) = start else {
        return Start::Unknown;
    };
    match start.cmp(&armed_at) {
        std::cmp::Ordering::Less => Start::Earlier,
        std::cmp::Ordering::Equal => Start::Unknown,
        std::cmp::Ordering::Greater => Start::Later,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, ExitStatus};

    use childwatch_core::source::{Detail, Token};
    use rustix::io::Errno;

    use super::*;
    use crate::look::child;
    use crate::look::child::tests::{cat, late_cat, let_die, plus};

    /// As wait statuses: killed by signal 9, and exited with 0.
    const OTHER: HintedStatus = HintedStatus::Status(9);
    const OWN: HintedStatus = HintedStatus::Status(0);

    fn status(raw: i32) -> Option<Ended> {
        Some(Ended::new(ExitStatus::from_raw(raw), None))
    }

    fn candidate(child: &Child, armed_at: Ticks, hinted_status: HintedStatus) -> Candidate {
        Candidate {
            token: Token::from_parts(0, 0),
            pid: Pid::from(child),
            armed_at,
            hinted_status,
            checks_identity: false,
        }
    }

    fn judged(candidate: &Candidate) -> Verdict {
        judge(
            candidate,
            child::look(candidate.pid, Detail::Status),
            OwnProc::prove,
        )
    }

    #[test]
    fn a_live_pid_is_reused_only_with_proof() {
        let (before, mut child) = late_cat();
        let after = plus(Ticks::now(), 1);
        for hinted_status in [HintedStatus::Nothing, OTHER, HintedStatus::Conflicting] {
            for checks_identity in [false, true] {
                let candidate = Candidate {
                    checks_identity,
                    ..candidate(&child, after, hinted_status)
                };
                assert_eq!(
                    judged(&candidate),
                    Verdict::Alive,
                    "it was there when armed"
                );
                let former = Candidate {
                    armed_at: before,
                    ..candidate
                };
                let is_doubtful = checks_identity || hinted_status != HintedStatus::Nothing;
                let expected = if is_doubtful {
                    Verdict::Gone
                } else {
                    Verdict::Alive
                };
                assert_eq!(judged(&former), expected);
                // Without a /proc of its own nothing is proven.
                let state = child::look(former.pid, Detail::Status);
                assert_eq!(judge(&former, state, || None), Verdict::Alive);
                // Nor by an unknown moment.
                let unknown = Candidate {
                    armed_at: Ticks::NEVER,
                    ..candidate
                };
                assert_eq!(judged(&unknown), Verdict::Alive);
            }
        }
        let_die(&mut child);
        child.wait().unwrap();
    }

    #[test]
    fn a_zombie_has_its_own_status_unless_a_signal_brought_another() {
        let (before, mut child) = late_cat();
        let after = plus(Ticks::now(), 1);
        let_die(&mut child);
        for hinted_status in [HintedStatus::Nothing, OWN] {
            for armed_at in [before, after, Ticks::NEVER] {
                let candidate = candidate(&child, armed_at, hinted_status);
                assert_eq!(judged(&candidate), Verdict::Ended(status(0)));
            }
        }
        for hinted_status in [OTHER, HintedStatus::Conflicting] {
            let candidate = |armed_at| candidate(&child, armed_at, hinted_status);
            assert_eq!(judged(&candidate(after)), Verdict::Ended(status(0)));
            assert_eq!(judged(&candidate(before)), Verdict::Gone, "it is another");
            let state = child::look(Pid::from(&child), Detail::Status);
            let without_proc = judge(&candidate(before), state, || None);
            assert_eq!(without_proc, Verdict::Ended(None));
        }
        let gone = candidate(&child, after, OTHER);
        child.wait().unwrap();
        assert_eq!(judged(&gone), Verdict::Gone);
    }

    #[test]
    fn in_the_same_tick_two_statuses_are_none() {
        let (before, mut child) = late_cat();
        let spawned = Ticks::now();
        let pid = Pid::from(&child);
        let start = OwnProc::prove().unwrap().child_start(pid).unwrap();
        assert!(start <= spawned);
        assert_eq!(super::start(pid, start, OwnProc::prove), Start::Unknown);
        assert_eq!(
            super::start(pid, plus(start, 1), OwnProc::prove),
            Start::Earlier
        );
        assert_eq!(
            super::start(pid, plus(start, -1), OwnProc::prove),
            Start::Later
        );
        let_die(&mut child);
        assert_eq!(
            judged(&candidate(&child, start, OTHER)),
            Verdict::Ended(None)
        );
        child.wait().unwrap();
        assert_eq!(super::start(pid, before, OwnProc::prove), Start::Unknown);
    }

    #[test]
    fn where_a_sandbox_refuses_waitid_a_signal_is_believed_unless_proc_contradicts() {
        let mut child = cat();
        let refused = |hinted_status| {
            let candidate = candidate(&child, Ticks::now(), hinted_status);
            judge(&candidate, State::Refused(Errno::PERM), OwnProc::prove)
        };
        assert_eq!(refused(HintedStatus::Nothing), Verdict::Alive);
        assert_eq!(refused(OTHER), Verdict::Alive);
        let_die(&mut child);
        let candidate = candidate(&child, Ticks::now(), OTHER);
        let refused =
            |proof: fn() -> Option<OwnProc>| judge(&candidate, State::Refused(Errno::PERM), proof);
        assert_eq!(refused(OwnProc::prove), Verdict::Ended(status(9)));
        assert_eq!(refused(|| None), Verdict::Ended(status(9)));
        child.wait().unwrap();
    }
}
