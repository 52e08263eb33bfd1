//! [`Tally`]: which exits have been told, how often, with which status, and when.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use childwatch_core::Pid;
use childwatch_ptrace_free_tests::crowd;
use rustix::process::{WaitOptions, waitpid};

/// No exit is told so long after the one before, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for an exit that only a heartbeat finds.
const LONG_PATIENCE: Duration = Duration::from_secs(90);

/// No child ends with this wait status.
const NO_STATUS: i32 = -1;

/// Counts the tellings of a number of exits. The thread that makes it waits for them.
pub(crate) struct Tally(Arc<Shared>);

struct Shared {
    times: Box<[AtomicU8]>,
    /// Wait statuses, of those that were told with one.
    statuses: Box<[AtomicI32]>,
    told: AtomicUsize,
    /// When each was told, in nanoseconds, if that is kept; zero before.
    moments: Option<Box<[AtomicU64]>>,
    /// The children that the callbacks reap, if they do.
    reaped: Box<[Pid]>,
    patience: Duration,
    /// When as many had been told as there are, in nanoseconds; zero before.
    all_told_at: AtomicU64,
    waiter: Thread,
}

/// To be told of one exit. As a closure's captured value it has two words.
pub(crate) struct Told {
    shared: Arc<Shared>,
    index: usize,
}

impl Tally {
    /// For so many exits, which are numbered from zero.
    pub(crate) fn of(exits: usize) -> Self {
        Tally::new(exits, None, [].into(), PATIENCE)
    }

    /// For so many exits that may be told late. Keeps the moment of each telling.
    pub(crate) fn of_late(exits: usize) -> Self {
        Tally::new(exits, Some(moments(exits)), [].into(), LONG_PATIENCE)
    }

    /// For the exits of these children, each of which its callback reaps. Keeps the moment
    /// of each telling.
    pub(crate) fn of_reaped(children: Box<[Pid]>) -> Self {
        let moments = moments(children.len());
        Tally::new(children.len(), Some(moments), children, LONG_PATIENCE)
    }

    fn new(
        exits: usize,
        moments: Option<Box<[AtomicU64]>>,
        reaped: Box<[Pid]>,
        patience: Duration,
    ) -> Self {
        Tally(Arc::new(Shared {
            times: (0..exits).map(|_| AtomicU8::new(0)).collect(),
            statuses: (0..exits).map(|_| AtomicI32::new(NO_STATUS)).collect(),
            told: AtomicUsize::new(0),
            moments,
            reaped,
            patience,
            all_told_at: AtomicU64::new(0),
            waiter: thread::current(),
        }))
    }

    pub(crate) fn told(&self, index: usize) -> Told {
        Told {
            shared: Arc::clone(&self.0),
            index,
        }
    }

    /// Waits until as many have been told as there are: when that was, on the monotonic
    /// clock.
    pub(crate) fn wait(&self) -> anyhow::Result<Duration> {
        let patience = self.0.patience;
        let mut last_told = self.0.told.load(Ordering::SeqCst);
        let mut since = Instant::now();
        loop {
            match self.0.all_told_at.load(Ordering::SeqCst) {
                0 => thread::park_timeout(patience),
                nanoseconds => return Ok(Duration::from_nanos(nanoseconds)),
            }
            let told = self.0.told.load(Ordering::SeqCst);
            if told != last_told {
                (last_told, since) = (told, Instant::now());
            } else if since.elapsed() >= patience {
                bail!("no more told within {patience:?}: {}", self.account());
            }
        }
    }

    /// When each exit was told, on the monotonic clock; nothing if that is not kept.
    pub(crate) fn moments(&self) -> impl Iterator<Item = Duration> {
        let moments = self.0.moments.iter().flatten();
        moments.map(|moment| Duration::from_nanos(moment.load(Ordering::SeqCst)))
    }

    /// The number of exits, each of which has been told once. To be asked when nothing
    /// more can be told.
    pub(crate) fn each_once(&self) -> anyhow::Result<usize> {
        let times = &self.0.times;
        if times.iter().any(|times| times.load(Ordering::SeqCst) != 1) {
            bail!("not each told once: {}", self.account());
        }
        Ok(times.len())
    }

    /// How many have been told with a status, each of which must be the one expected.
    pub(crate) fn with_status(
        &self,
        expected: impl Iterator<Item = ExitStatus>,
    ) -> anyhow::Result<usize> {
        let told = self.0.statuses.iter().zip(expected);
        let told = told.map(|(status, expected)| (status.load(Ordering::SeqCst), expected));
        let mut with_status = 0;
        for (status, expected) in told.filter(|(status, _)| *status != NO_STATUS) {
            let status = ExitStatus::from_raw(status);
            ensure!(status == expected, "told {status}, where it was {expected}");
            with_status += 1;
        }
        Ok(with_status)
    }

    fn account(&self) -> String {
        let count = |wanted: fn(u8) -> bool| {
            let times = self.0.times.iter();
            times
                .filter(|times| wanted(times.load(Ordering::SeqCst)))
                .count()
        };
        format!(
            "{} told once, {} lost, {} told again",
            count(|times| times == 1),
            count(|times| times == 0),
            count(|times| times > 1)
        )
    }
}

impl Told {
    /// The exit has been heard of, with its status from those who ask for it.
    pub(crate) fn tell(self, status: Option<ExitStatus>) {
        let Told { shared, index } = self;
        if let Some(status) = status {
            // Relaxed: read after `told`, which is added to below.
            shared.statuses[index].store(status.into_raw(), Ordering::Relaxed);
        }
        if let Some(moments) = &shared.moments {
            moments[index].store(now(), Ordering::SeqCst);
        }
        if let Some(&child) = shared.reaped.get(index) {
            reap(child);
        }
        shared.times[index].fetch_add(1, Ordering::SeqCst);
        if shared.told.fetch_add(1, Ordering::SeqCst) + 1 == shared.times.len() {
            shared.all_told_at.store(now(), Ordering::SeqCst);
            shared.waiter.unpark();
        }
    }
}

fn moments(exits: usize) -> Box<[AtomicU64]> {
    (0..exits).map(|_| AtomicU64::new(0)).collect()
}

/// In nanoseconds, on the monotonic clock.
fn now() -> u64 {
    crowd::now().as_nanos() as u64
}

/// Reaps a child that has exited, unless somebody else has done so.
fn reap(child: Pid) {
    let number = rustix::process::Pid::from_raw(child.as_raw());
    // ECHILD if it has been reaped. With NOHANG there is nothing to interrupt.
    let _ = waitpid(number, WaitOptions::NOHANG);
}

#[cfg(test)]
mod tests {
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn the_last_telling_ends_the_wait() {
        let tally = Tally::of(3);
        let told: Vec<_> = (0..3).map(|index| tally.told(index)).collect();
        let before = crowd::now();
        thread::spawn(|| told.into_iter().for_each(|told| told.tell(None)));
        assert!(tally.wait().unwrap() >= before);
        assert_eq!(tally.each_once().unwrap(), 3);
    }

    #[test]
    fn what_is_lost_and_what_is_doubled_is_counted() {
        let tally = Tally::of(3);
        for index in [0, 1, 1] {
            tally.told(index).tell(None);
        }
        let error = tally.each_once().unwrap_err().to_string();
        assert!(
            error.ends_with("1 told once, 1 lost, 1 told again"),
            "{error}"
        );
    }

    #[test]
    fn the_moment_of_each_telling_is_kept_if_it_is_wanted() {
        let tally = Tally::of_late(2);
        let before = crowd::now();
        tally.told(1).tell(None);
        let moments: Vec<_> = tally.moments().collect();
        assert_eq!(moments[0], Duration::ZERO);
        assert!((before..=crowd::now()).contains(&moments[1]));
        assert_eq!(Tally::of(2).moments().count(), 0);
    }

    #[test]
    fn a_callback_reaps_its_child_if_it_is_told_to() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from(&child);
        let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(number), options).unwrap();
        Tally::of_reaped([pid].into()).told(0).tell(None);
        assert!(child.wait().is_err());
    }

    #[test]
    fn a_wrong_status_is_an_error_and_a_missing_one_is_counted() {
        let status = |code: i32| ExitStatus::from_raw(code << 8);
        let tally = Tally::of(3);
        for (index, told) in [Some(status(0)), None, Some(status(2))]
            .into_iter()
            .enumerate()
        {
            tally.told(index).tell(told);
        }
        assert_eq!(tally.with_status((0..3).map(status)).unwrap(), 2);
        assert!(tally.with_status((1..4).map(status)).is_err());
    }
}
