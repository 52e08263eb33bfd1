//! [`Filter`]: looks at many children, by the cheaper of two ways.

use std::time::Duration;

use childwatch_core::Token;

use crate::child;
use crate::kernel::Release;
use crate::look::{Look, look_at};
use crate::stopwatch::Stopwatch;
use crate::table::Suspect;

/// Remembers whether `waitid` is slow, as it is before Linux 5.13 where there are many
/// children: it walks over all of them. Then `/proc` is asked first, and holds back those
/// that it shows alive.
///
/// Later kernels have nothing to measure: what a crowd's exits or a busy machine add to a
/// `waitid`, they add to a look into `/proc` too.
#[derive(Debug)]
pub(crate) struct Filter {
    may_be_slow: bool,
    is_waitid_slow: bool,
}

/// A `waitid` of one child that costs more than this has walked over many; `/proc` is
/// cheaper then.
const SLOW_WAITID: Duration = Duration::from_micros(20);
/// Children looked at to tell.
const SAMPLE: usize = 8;

impl Filter {
    pub(crate) fn new() -> Self {
        Filter {
            may_be_slow: Release::running().walks_over_all(),
            is_waitid_slow: false,
        }
    }

    /// Has it measured anew.
    pub(crate) fn forget(&mut self) {
        self.is_waitid_slow = false;
    }

    /// Looks at each, in order. Measures when there are enough of them.
    pub(crate) fn look_at_each(
        &mut self,
        suspects: &[Suspect],
        checks_identity: impl Fn(Token) -> bool,
    ) -> Vec<Look> {
        let mut looks = Vec::with_capacity(suspects.len());
        let mut rest = suspects;
        if let Some((sample, others)) = suspects.split_first_chunk::<SAMPLE>() {
            let stopwatch = Stopwatch::start();
            looks.extend(sample.iter().map(|one| self.look_at(one, &checks_identity)));
            self.was_measured(stopwatch.elapsed());
            rest = others;
        }
        looks.extend(rest.iter().map(|one| self.look_at(one, &checks_identity)));
        looks
    }

    fn look_at(&self, suspect: &Suspect, checks_identity: impl Fn(Token) -> bool) -> Look {
        if self.holds_back(suspect) {
            Look::Alive
        } else {
            look_at(suspect, checks_identity(suspect.token))
        }
    }

    /// A hinted one is looked at in any case.
    fn holds_back(&self, suspect: &Suspect) -> bool {
        self.is_waitid_slow && suspect.hint.is_none() && !child::may_be_dead(suspect.pid)
    }

    fn was_measured(&mut self, sample: Duration) {
        self.is_waitid_slow |= self.may_be_slow && sample > SLOW_WAITID * SAMPLE as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use childwatch_core::Pid;

    use super::*;
    use crate::child::Ticks;
    use crate::child::tests::{cat, dies};

    const OLD: Filter = Filter {
        may_be_slow: true,
        is_waitid_slow: false,
    };
    const SLOW: Filter = Filter {
        is_waitid_slow: true,
        ..OLD
    };

    #[test]
    fn a_kernel_that_walks_over_none_is_never_slow() {
        let mut filter = Filter {
            may_be_slow: false,
            ..OLD
        };
        filter.was_measured(SLOW_WAITID * 1_000);
        assert!(!filter.is_waitid_slow);
    }

    #[test]
    fn waitid_is_slow_from_a_slow_sample_on() {
        let limit = Duration::from_micros(160);
        let mut filter = OLD;
        filter.was_measured(limit);
        assert!(!filter.is_waitid_slow);
        filter.was_measured(limit + Duration::from_nanos(1));
        assert!(filter.is_waitid_slow);
        // What /proc answers is quick.
        filter.was_measured(Duration::ZERO);
        assert!(filter.is_waitid_slow);
        filter.was_measured(limit * 2);
        assert!(filter.is_waitid_slow);
        filter.forget();
        assert!(!filter.is_waitid_slow);
    }

    #[test]
    fn a_live_child_is_held_back_if_waitid_is_slow_and_no_signal_has_named_it() {
        let mut child = cat();
        let hint = Some(ExitStatus::from_raw(0));
        let suspect = |hint| Suspect {
            token: Token::from_parts(0, 0),
            pid: Pid::from(&child),
            armed_at: Ticks::ZERO,
            hint,
        };
        let quick = OLD;
        assert!(!quick.holds_back(&suspect(None)));
        assert!(!quick.holds_back(&suspect(hint)));
        assert!(SLOW.holds_back(&suspect(None)));
        assert!(!SLOW.holds_back(&suspect(hint)));
        let suspect = suspect(None);
        dies(&mut child);
        assert!(!SLOW.holds_back(&suspect), "it may be dead");
        child.wait().unwrap();
    }

    #[test]
    fn each_is_looked_at_in_order_whether_measured_or_not() {
        let mut zombie = cat();
        dies(&mut zombie);
        let mut alive = cat();
        // Alive and dead in turn; some more than a sample, and some fewer.
        for count in [1, SAMPLE - 1, SAMPLE, SAMPLE + 3] {
            let suspects: Vec<_> = (0..count)
                .map(|index| Suspect {
                    token: Token::from_parts(index as u32, 0),
                    pid: Pid::from(if index % 2 == 0 { &zombie } else { &alive }),
                    armed_at: Ticks::now(),
                    hint: None,
                })
                .collect();
            for mut filter in [OLD, SLOW] {
                let looks = filter.look_at_each(&suspects, |_| false);
                let are_over = looks.iter().map(|look| matches!(look, Look::Over(_)));
                assert!(are_over.eq((0..count).map(|index| index % 2 == 0)));
            }
        }
        zombie.wait().unwrap();
        dies(&mut alive);
        alive.wait().unwrap();
    }
}
