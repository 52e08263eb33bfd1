//! Runs the soak of one backend in a process of its own, and reads its messages.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use childwatch_proofs::soak::Counts;

use super::message::Message;
use super::part::Part;
use super::place::Place;
use super::progress::Progress;
use super::settings::Soak;

/// The outcome of a soak.
pub(super) struct Outcome {
    pub(super) counts: Counts,
    pub(super) peak_fds: usize,
    pub(super) memory: [usize; 3],
    pub(super) faults: Vec<String>,
    /// `true` if the soak has sent its last message.
    pub(super) is_done: bool,
}

impl Outcome {
    pub(super) fn is_well(&self) -> bool {
        self.is_done && self.counts.is_faultless() && self.counts.told > 0
    }
}

impl Soak {
    pub(super) fn run(&self, place: &Place) -> anyhow::Result<Outcome> {
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
        // The process has exited, or must be killed. All that it has started ends with it.
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

    /// Reads the messages of the process until the last one, or until the process is overdue.
    fn listen(&self, process: &mut Child) -> Outcome {
        let mut result = Outcome {
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
        // At the end the soak may wait a few times for callbacks that are lost.
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
                    return Outcome {
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
