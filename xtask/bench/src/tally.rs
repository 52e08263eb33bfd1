//! [`Tally`]: which exits have been told, how often, and when the last was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::bail;
use childwatch_ptrace_free_tests::crowd;

/// No exit takes so long to be told, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the tellings of a number of exits. The thread that makes it waits for them.
pub(crate) struct Tally(Arc<Shared>);

struct Shared {
    times: Box<[AtomicU8]>,
    told: AtomicUsize,
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
        Tally(Arc::new(Shared {
            times: (0..exits).map(|_| AtomicU8::new(0)).collect(),
            told: AtomicUsize::new(0),
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
        let start = Instant::now();
        loop {
            match self.0.all_told_at.load(Ordering::SeqCst) {
                0 => thread::park_timeout(PATIENCE),
                nanoseconds => return Ok(Duration::from_nanos(nanoseconds)),
            }
            if start.elapsed() >= PATIENCE {
                bail!("not all told within {PATIENCE:?}: {}", self.account());
            }
        }
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
    /// The exit has been heard of.
    pub(crate) fn tell(self) {
        let Told { shared, index } = self;
        shared.times[index].fetch_add(1, Ordering::SeqCst);
        if shared.told.fetch_add(1, Ordering::SeqCst) + 1 == shared.times.len() {
            let now = crowd::now().as_nanos() as u64;
            shared.all_told_at.store(now, Ordering::SeqCst);
            shared.waiter.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_telling_ends_the_wait() {
        let tally = Tally::of(3);
        let told: Vec<_> = (0..3).map(|index| tally.told(index)).collect();
        let before = crowd::now();
        thread::spawn(|| told.into_iter().for_each(Told::tell));
        assert!(tally.wait().unwrap() >= before);
        assert_eq!(tally.each_once().unwrap(), 3);
    }

    #[test]
    fn what_is_lost_and_what_is_doubled_is_counted() {
        let tally = Tally::of(3);
        for index in [0, 1, 1] {
            tally.told(index).tell();
        }
        let error = tally.each_once().unwrap_err().to_string();
        assert!(
            error.ends_with("1 told once, 1 lost, 1 told again"),
            "{error}"
        );
    }
}
