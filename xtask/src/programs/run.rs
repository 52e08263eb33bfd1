//! [`Trial`]: a program without a watcher, then with one, and what differs.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use childwatch_core::{Pid, PidWatcherExt};
use childwatch_pidfd::PidfdWatcher;
use rustix::process::{self, Signal, kill_process_group};
use tempfile::TempDir;

use super::corpus::Program;
use super::record::{self, Counts, Record};
use super::way::Way;

/// A script that has not ended by then waits for ever.
const OVERDUE: Duration = Duration::from_secs(60);

/// One program with one watcher.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) program: &'a Program,
    pub(super) way: &'a Way,
}

/// What a trial has shown.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    record: Record,
    text: String,
    differences: Vec<String>,
}

/// The result of a program's job.
#[derive(Debug, PartialEq, Eq)]
struct Job {
    status: Option<ExitStatus>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    pub(super) fn is_well(&self) -> bool {
        self.faults().next().is_none()
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = &String> {
        self.differences.iter().chain(&self.record.faults)
    }

    pub(super) fn counts(&self) -> Counts {
        self.record.counts
    }

    /// The lines that the library has written.
    pub(super) fn record(&self) -> &str {
        &self.text
    }
}

impl Trial<'_> {
    /// Runs the program twice.
    pub(super) fn run(&self, library: &Path) -> Outcome {
        self.try_run(library).unwrap_or_else(|error| Outcome {
            differences: vec![format!("it can't be run: {error}")],
            ..Outcome::default()
        })
    }

    fn try_run(&self, library: &Path) -> anyhow::Result<Outcome> {
        let without = self.job(|_| {})?;
        let records = TempDir::new()?;
        let file = record::create(records.path())?;
        let with = self.job(|command| {
            command.env("LD_PRELOAD", library);
            command.env("PRELOADED_RECORD", &file);
            self.way.prepare(command);
        })?;
        let text = record::read(&file)?;
        let mut outcome = Outcome {
            record: Record::of(&text),
            text,
            differences: with.differences(&without),
        };
        if outcome.counts().watched == 0 {
            let none = "no child was watched: is the program linked statically?".to_owned();
            outcome.differences.push(none);
        }
        Ok(outcome)
    }

    /// Runs the script in a directory of its own.
    fn job(&self, prepare: impl FnOnce(&mut Command)) -> anyhow::Result<Job> {
        let directory = TempDir::new()?;
        let (out, err) = (TempDir::new()?, TempDir::new()?);
        let (out, err) = (out.path().join("out"), err.path().join("err"));
        let mut command = Command::new("sh");
        command
            .args(["-c", &self.program.script])
            .current_dir(directory.path())
            .env("HOME", directory.path())
            .env("LC_ALL", "C")
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(&err)?)
            .process_group(0);
        prepare(&mut command);
        let status = wait(&mut command.spawn()?)?;
        let directory = directory.path().to_string_lossy().into_owned();
        let read = |file| -> anyhow::Result<String> {
            let text = fs::read(file)?;
            Ok(String::from_utf8_lossy(&text).replace(&directory, "DIRECTORY"))
        };
        Ok(Job {
            status,
            stdout: read(&out)?,
            stderr: read(&err)?,
        })
    }
}

/// Returns the status of the script, or `None` if it was killed because it did not end.
fn wait(script: &mut Child) -> anyhow::Result<Option<ExitStatus>> {
    let watcher = PidfdWatcher::new()?;
    if watcher
        .wait_timeout(Pid::from(&*script), OVERDUE)?
        .is_some()
    {
        return Ok(Some(script.wait()?));
    }
    // The script is not reaped yet, so the group is its own.
    let _ = kill_process_group(process::Pid::from_child(script), Signal::KILL);
    script.wait()?;
    Ok(None)
}

impl Job {
    fn differences(&self, without: &Job) -> Vec<String> {
        let mut differences = Vec::new();
        if without.status.is_none() {
            differences.push("it does not end without a watcher either".to_owned());
        }
        if self.status != without.status {
            let say = |status: Option<ExitStatus>| match status {
                Some(status) => status.to_string(),
                None => "not ended".to_owned(),
            };
            differences.push(format!(
                "with a watcher: {}, without: {}",
                say(self.status),
                say(without.status)
            ));
        }
        for (what, with, without) in [
            ("output", &self.stdout, &without.stdout),
            ("errors", &self.stderr, &without.stderr),
        ] {
            if with != without {
                differences.push(format!(
                    "{what} with a watcher: {with:?}, without: {without:?}"
                ));
            }
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn job(status: Option<i32>, stdout: &str, stderr: &str) -> Job {
        Job {
            status: status.map(ExitStatus::from_raw),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn a_job_with_the_same_result_has_no_difference() {
        let same = || job(Some(256), "out", "err");
        assert_eq!(same().differences(&same()), [""; 0]);
    }

    #[test]
    fn each_part_of_the_result_is_compared() {
        let without = job(Some(0), "out", "err");
        for (with, begin) in [
            (
                job(Some(256), "out", "err"),
                "with a watcher: exit status: 1",
            ),
            (job(None, "out", "err"), "with a watcher: not ended"),
            (job(Some(0), "", "err"), "output with a watcher"),
            (job(Some(0), "out", "errors"), "errors with a watcher"),
        ] {
            let differences = with.differences(&without);
            assert_eq!(differences.len(), 1, "{differences:?}");
            assert!(differences[0].starts_with(begin), "{differences:?}");
        }
    }

    /// Otherwise the watcher could hold up the program in any way, and nobody would see it.
    #[test]
    fn a_script_that_ends_in_neither_case_shows_nothing() {
        let overdue = || job(None, "", "");
        assert_eq!(overdue().differences(&overdue()).len(), 1);
    }

    fn outcome(script: &str, library: &str) -> Outcome {
        let program = &Program::of_script(script);
        let way = &Way::all(&["pidfd"])[0];
        Trial { program, way }.run(Path::new(library))
    }

    /// The loader says on the program's standard error that there is no such library.
    #[test]
    fn a_program_that_the_library_does_not_reach_has_failed() {
        let outcome = outcome("true & wait", "/no/such/library.so");
        let faults: Vec<_> = outcome.faults().collect();
        assert!(!outcome.is_well());
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("/no/such/library.so"), "{faults:?}");
        assert!(faults[1].contains("no child was watched"), "{faults:?}");
    }

    #[test]
    fn a_program_that_cannot_be_run_has_failed() {
        // No variable has a null byte.
        let outcome = outcome("true", "\0");
        let fault = outcome.faults().next().unwrap();
        assert!(fault.starts_with("it can't be run"), "{fault}");
        assert!(!outcome.is_well());
    }

    #[test]
    fn a_fault_of_the_record_and_a_difference_each_make_a_failure() {
        assert!(Outcome::default().is_well());
        let difference = Outcome {
            differences: vec!["output".to_owned()],
            ..Outcome::default()
        };
        let fault = Outcome {
            record: Record::of("7 end 1\n"),
            ..Outcome::default()
        };
        assert!(!difference.is_well() && !fault.is_well());
    }
}
