//! [`Soak`]: one backend's, in a process of its own.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use childwatch_ptrace_free_tests::soak::Counts;

use super::message::Message;
use super::process::Part;
use super::progress::Progress;

/// What is to be done.
pub(super) struct Soak {
    pub(super) backend: String,
    pub(super) seed: u64,
    pub(super) children: usize,
    pub(super) threads: usize,
    pub(super) time: Duration,
    pub(super) patience: Duration,
}

/// What came of it.
pub(super) struct Result {
    pub(super) counts: Counts,
    pub(super) peak_fds: usize,
    pub(super) memory: [usize; 3],
    pub(super) faults: Vec<String>,
    /// It came to its end.
    pub(super) is_done: bool,
}

impl Result {
    pub(super) fn is_well(&self) -> bool {
        self.is_done && self.counts.is_faultless() && self.counts.told > 0
    }
}

/// Where a soak is run.
pub(super) enum Place {
    /// In a pid namespace whose numbers end there.
    Namespace { pid_max: Option<u32> },
    /// Among the machine's other processes, and why.
    Plain(String),
}

impl Place {
    /// Tries whether a pid namespace can be had, and lived in.
    pub(super) fn find(is_plain: bool, children: usize) -> anyhow::Result<Self> {
        if is_plain {
            return Ok(Place::Plain("as asked".to_owned()));
        }
        let trial = Soak {
            backend: String::new(),
            seed: 0,
            children,
            threads: 1,
            time: Duration::ZERO,
            patience: Duration::ZERO,
        };
        let tried = Part::Try.command(&trial)?.output().context("a trial")?;
        if tried.status.success() {
            let output = String::from_utf8_lossy(&tried.stdout);
            let pid_max = output.trim().parse().ok();
            return Ok(Place::Namespace { pid_max });
        }
        let errors = String::from_utf8_lossy(&tried.stderr);
        let reason = errors.lines().next().unwrap_or("no reason is given");
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        Ok(Place::Plain(reason.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Namespace { pid_max } => {
                write!(f, "in a pid namespace of its own")?;
                match pid_max {
                    Some(pid_max) => write!(f, ", where numbers end at {pid_max}"),
                    None => Ok(()),
                }
            }
            Place::Plain(reason) => write!(
                f,
                "without a pid namespace, so numbers hardly come back: {reason}"
            ),
        }
    }
}

impl Soak {
    /// Where numbers end, for them to come round fast: below 300 none is given twice.
    pub(super) fn pid_max(&self) -> u32 {
        let numbers = 400 + self.children + self.children / 2;
        u32::try_from(numbers).unwrap_or(u32::MAX)
    }

    pub(super) fn run(&self, place: &Place) -> anyhow::Result<Result> {
        let part = match place {
            Place::Namespace { .. } => Part::Enter,
            Place::Plain(_) => Part::Plain,
        };
        let mut process = part
            .command(self)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the soak's process")?;
        let result = self.listen(&mut process);
        // It has ended, or must; and with it all that it has started.
        let _ = process.kill();
        let status = process.wait().context("the soak's process")?;
        let mut result = result;
        if !result.is_done {
            result
                .faults
                .push(format!("the soak did not come to its end ({status})"));
        }
        Ok(result)
    }

    /// Takes in what the process says, until it has said all or is overdue.
    fn listen(&self, process: &mut Child) -> Result {
        let mut result = Result {
            counts: Counts::default(),
            peak_fds: 0,
            memory: [0; 3],
            faults: Vec::new(),
            is_done: false,
        };
        let Some(output) = process.stdout.take() else {
            return result;
        };
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output)
                .lines()
                .map_while(std::io::Result::ok)
            {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut progress = Progress::of(&self.backend, self.time);
        // At its end it may wait for what is lost, a few times over.
        let overdue = self.patience * 6 + Duration::from_secs(60);
        loop {
            let line = match receive.recv_timeout(overdue) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return result,
                Err(RecvTimeoutError::Timeout) => {
                    let words = format!("the soak has said nothing for {overdue:?}");
                    result.faults.push(words);
                    return result;
                }
            };
            match serde_json::from_str(&line) {
                Ok(Message::Progress {
                    seconds,
                    counts,
                    fds,
                    memory,
                }) => {
                    result.counts = counts.into();
                    progress.show(
                        Duration::from_secs_f64(seconds),
                        &result.counts,
                        fds,
                        memory,
                    );
                }
                Ok(Message::Done {
                    counts,
                    peak_fds,
                    memory,
                    faults,
                }) => {
                    return Result {
                        counts: counts.into(),
                        peak_fds,
                        memory,
                        faults,
                        is_done: true,
                    };
                }
                Err(_) => eprintln!("{line}"),
            }
        }
    }
}
