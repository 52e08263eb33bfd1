//! [`Tally`]: which exits were reported, how often, with which status, and when.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use childwatch_core::Pid;
use childwatch_ptrace_free_tests::kit::crowd;
use rustix::process::{WaitOptions, waitpid};

/// The longest time between two reports, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest time if only a heartbeat finds the exit.
const LONG_PATIENCE: Duration = Duration::from_secs(90);

/// A wait status with which no child exits.
const NO_STATUS: i32 = -1;

/// Counts the reports of some exits. The thread that creates the tally waits for them.
pub(crate) struct Tally(Arc<Shared>);

struct Shared {
    times: Box<[AtomicU8]>,
    /// The wait statuses of the exits that were reported with one.
    statuses: Box<[AtomicI32]>,
    told: AtomicUsize,
    /// The time of each report in nanoseconds, if it is kept. Zero before the report.
    moments: Option<Box<[AtomicU64]>>,
    /// The children that the callbacks reap.
    reaped: Box<[Pid]>,
    patience: Duration,
    /// The time of the last report, in nanoseconds. Zero before it.
    all_told_at: AtomicU64,
    waiter: Thread,
}

/// Reports one exit to a tally. It takes two words of a closure.
pub(crate) struct Told {
    shared: Arc<Shared>,
    index: usize,
}

impl Tally {
    /// Creates a tally of this many exits, which are numbered from zero.
    pub(crate) fn of(exits: usize) -> Self {
        Tally::new(exits, None, [].into(), PATIENCE)
    }

    /// Creates a tally of exits that may be reported late. It keeps the time of each report.
    pub(crate) fn of_late(exits: usize) -> Self {
        Tally::new(exits, Some(moments(exits)), [].into(), LONG_PATIENCE)
    }

    /// Creates a tally of the exits of these children. The callback of each child reaps it.
    /// The tally keeps the time of each report.
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

    /// Waits for as many reports as there are exits. Returns the time of the last report on
    /// the monotonic clock.
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

    /// Returns `true` if there have been as many reports as there are exits.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.all_told_at.load(Ordering::SeqCst) != 0
    }

    /// Returns the time of each report on the monotonic clock, or nothing if the times are
    /// not kept.
    pub(crate) fn moments(&self) -> impl Iterator<Item = Duration> {
        let moments = self.0.moments.iter().flatten();
        moments.map(|moment| Duration::from_nanos(moment.load(Ordering::SeqCst)))
    }

    /// Returns the number of exits, or an error if an exit was not reported exactly once. The
    /// caller must have ended the watch.
    pub(crate) fn each_once(&self) -> anyhow::Result<usize> {
        let times = &self.0.times;
        if times.iter().any(|times| times.load(Ordering::SeqCst) != 1) {
            bail!("not each told once: {}", self.account());
        }
        Ok(times.len())
    }

    /// Returns how many exits were reported with a status, or an error if a status is not the
    /// expected one.
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
    /// Reports the exit, with its status if the candidate asks for it.
    pub(crate) fn tell(self, status: Option<ExitStatus>) {
        let Told { shared, index } = self;
        if let Some(status) = status {
            // Relaxed: the status is read after `told`, which is incremented below.
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

/// Returns the time on the monotonic clock, in nanoseconds.
fn now() -> u64 {
    crowd::now().as_nanos() as u64
}

/// Reaps a child that has exited, unless another caller has reaped it.
fn reap(child: Pid) {
    let number = rustix::process::Pid::from_raw(child.as_raw());
    // The call fails with ECHILD if the child was reaped. With NOHANG it is never
    // interrupted.
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
