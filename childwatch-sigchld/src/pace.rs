//! How often the watcher looks at all children, and how closely: [`Question`],
//! [`Budget`], [`Heartbeat`] and [`IdentityChecks`].

use std::time::{Duration, Instant};

use childwatch_core::Token;

/// When to ask the kernel for any zombie, after a signal.
///
/// A little later: by then most programs have reaped the child that the signal named,
/// which would stand in the way of the answer. And seldom: the kernel walks over all
/// children for it.
#[derive(Debug)]
pub(crate) struct Question {
    due: Option<Instant>,
    earliest: Instant,
}

/// How long a program is given to reap what it was told of.
const REAPING: Duration = Duration::from_micros(200);
/// Asking takes at most one part in so many of the time (1 %). What it really costs is
/// the cache: at ten thousands of children a walk leaves nothing in it of the program's.
const ASKING_SHARE: u32 = 100;

impl Question {
    pub(crate) fn new(now: Instant) -> Self {
        Question {
            due: None,
            earliest: now,
        }
    }

    /// How long to wait until it may be asked; zero if it may. The first call after
    /// an answer sets the time, and later signals do not put it off.
    pub(crate) fn rest(&mut self, now: Instant) -> Duration {
        let earliest = self.earliest.max(now + REAPING);
        let due = *self.due.get_or_insert(earliest);
        due.saturating_duration_since(now)
    }

    pub(crate) fn was_asked(&mut self, start: Instant, cost: Duration) {
        self.due = None;
        self.earliest = start + cost * ASKING_SHARE;
    }
}

/// Processor time for sweeps: a burst, and then a share of one core.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    /// Spent beyond what was left: a chunk is begun before its cost is known, and on a
    /// slow kernel costs more than the burst.
    owed: Duration,
    filled: Instant,
}

/// What may be spent at once: a few looks at each of a thousand children. While a crowd
/// ends, most looks are in vain, and what is not found is found by the next sweep.
const BURST: Duration = Duration::from_millis(2);
/// One part in so many of the time that passes (5 %).
const SHARE: u32 = 20;
/// Sweeping goes on when this much has come together: a chunk or two.
const WORTHWHILE: Duration = Duration::from_micros(500);

impl Budget {
    pub(crate) fn full(now: Instant) -> Self {
        Budget {
            left: BURST,
            owed: Duration::ZERO,
            filled: now,
        }
    }

    /// How long to wait until there is something to spend; zero if there is.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let earned = now.saturating_duration_since(self.filled) / SHARE;
        self.filled = now;
        let repaid = earned.min(self.owed);
        self.owed -= repaid;
        self.left = (self.left + (earned - repaid)).min(BURST);
        if self.left.is_zero() {
            (self.owed + WORTHWHILE) * SHARE
        } else {
            Duration::ZERO
        }
    }

    pub(crate) fn spend(&mut self, spent: Duration) {
        self.owed += spent.saturating_sub(self.left);
        self.left = self.left.saturating_sub(spent);
    }
}

/// When all children are looked at though no signal has come.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    due: Instant,
    /// What the last full sweep cost.
    cost: Duration,
}

const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);
/// When idle, heartbeats take at most one part in so many of a core (0.05 %).
const IDLE_SHARE: u32 = 2_000;
/// And with children that come and go, one part in so many (0.5 %).
const BUSY_SHARE: u32 = 200;

impl Heartbeat {
    pub(crate) fn new(now: Instant) -> Self {
        Heartbeat {
            interval: SHORTEST,
            due: now + SHORTEST,
            cost: Duration::ZERO,
        }
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Something has happened: look again soon.
    pub(crate) fn quicken(&mut self, now: Instant) {
        self.interval = SHORTEST.max(self.cost * BUSY_SHARE);
        self.due = self.due.min(now + self.interval);
    }

    /// A heartbeat's sweep has cost so much and found nothing.
    pub(crate) fn found_nothing(&mut self, now: Instant, cost: Duration) {
        self.cost = cost;
        let longest = LONGEST.max(self.cost * IDLE_SHARE);
        self.due = now + self.interval;
        self.interval = (self.interval * 2).min(longest);
    }

    /// It has found what no signal told of, or that no signal will come: the next
    /// one comes soon.
    pub(crate) fn is_needed(&mut self, now: Instant) {
        self.interval = SHORTEST;
        self.due = now + SHORTEST;
    }
}

/// Whose start a heartbeat looks at: not everybody's, for that is a file to read. At
/// each beat it is another part's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdentityChecks {
    stride: usize,
    phase: usize,
}

/// Identities checked in one heartbeat, about.
const IDENTITIES_A_BEAT: usize = 64;

impl IdentityChecks {
    /// Of the heartbeat with this number, over so many children.
    pub(crate) fn of_beat(beat: usize, armed: usize) -> Self {
        let stride = armed / IDENTITIES_A_BEAT + 1;
        IdentityChecks {
            stride,
            phase: beat % stride,
        }
    }

    pub(crate) fn includes(self, token: Token) -> bool {
        token.index() as usize % self.stride == self.phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(beat: usize, armed: u32) -> Vec<u32> {
        let checks = IdentityChecks::of_beat(beat, armed as usize);
        (0..armed)
            .filter(|index| checks.includes(Token::from_parts(*index, 0)))
            .collect()
    }

    #[test]
    fn of_a_few_children_each_heartbeat_checks_all() {
        for beat in 0..3 {
            assert_eq!(checked(beat, 63), Vec::from_iter(0..63));
        }
    }

    #[test]
    fn of_many_children_each_is_checked_once_in_a_round_of_heartbeats() {
        let mut all = Vec::new();
        for beat in 100..116 {
            let part = checked(beat, 1_000);
            assert!((62..=IDENTITIES_A_BEAT).contains(&part.len()));
            all.extend(part);
        }
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..1_000));
        assert_eq!(checked(100, 1_000), checked(116, 1_000));
    }

    #[test]
    fn a_question_is_put_off_once_and_asked_no_more_than_its_share() {
        let start = Instant::now();
        let mut question = Question::new(start);
        assert_eq!(question.rest(start), REAPING);
        assert_eq!(question.rest(start + REAPING / 2), REAPING / 2);
        let asked = start + REAPING;
        assert_eq!(question.rest(asked), Duration::ZERO);
        question.was_asked(asked, Duration::from_millis(1));
        assert_eq!(question.rest(asked), Duration::from_millis(100));
    }

    #[test]
    fn a_sweep_is_held_to_its_share_after_the_burst() {
        let start = Instant::now();
        let mut budget = Budget::full(start);
        assert_eq!(budget.wait(start), Duration::ZERO);
        budget.spend(BURST);
        assert_eq!(budget.wait(start), WORTHWHILE * SHARE);
        let later = start + WORTHWHILE * SHARE;
        assert_eq!(budget.wait(later), Duration::ZERO);
        budget.spend(WORTHWHILE);
        assert_eq!(budget.wait(later), WORTHWHILE * SHARE);
        // It does not save up more than the burst.
        assert_eq!(budget.wait(later + Duration::from_secs(60)), Duration::ZERO);
        budget.spend(BURST);
        assert!(!budget.wait(later + Duration::from_secs(60)).is_zero());
    }

    #[test]
    fn what_was_spent_beyond_the_budget_is_paid_back_first() {
        let start = Instant::now();
        let mut budget = Budget::full(start);
        budget.spend(BURST * 6);
        let rest = (BURST * 5 + WORTHWHILE) * SHARE;
        assert_eq!(budget.wait(start), rest);
        assert!(!budget.wait(start + rest / 2).is_zero());
        assert_eq!(budget.wait(start + rest), Duration::ZERO);
    }

    #[test]
    fn an_idle_heartbeat_slows_down_and_news_quicken_it() {
        let mut now = Instant::now();
        let mut heartbeat = Heartbeat::new(now);
        for _ in 0..10 {
            now = heartbeat.due();
            heartbeat.found_nothing(now, Duration::from_millis(1));
        }
        assert_eq!(heartbeat.due() - now, LONGEST);
        heartbeat.quicken(now);
        assert_eq!(heartbeat.due() - now, SHORTEST);

        // An expensive one keeps to its share.
        for _ in 0..12 {
            now = heartbeat.due();
            heartbeat.found_nothing(now, Duration::from_millis(20));
        }
        assert_eq!(heartbeat.due() - now, Duration::from_secs(40));
        // News quicken it too, to the busy share.
        heartbeat.quicken(now);
        assert_eq!(heartbeat.due() - now, Duration::from_secs(4));
    }

    #[test]
    fn a_heartbeat_that_is_needed_comes_soon_and_again_soon() {
        let mut now = Instant::now();
        let mut heartbeat = Heartbeat::new(now);
        for _ in 0..10 {
            now = heartbeat.due();
            heartbeat.found_nothing(now, Duration::ZERO);
        }
        heartbeat.is_needed(now);
        assert_eq!(heartbeat.due(), now + SHORTEST);
        now = heartbeat.due();
        heartbeat.found_nothing(now, Duration::ZERO);
        assert_eq!(heartbeat.due(), now + SHORTEST);
    }
}
