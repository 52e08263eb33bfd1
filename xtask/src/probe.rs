//! `cargo xtask probe`: shows what this kernel and sandbox offer, and which backend crate
//! fits.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use childwatch_core::WatchError;
use childwatch_sigchld::{Disposition, ProcView};
use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit};

use json::{Backend, Limits, Probed, Says};

mod json;

use childwatch_command::kernel;

/// Show what this kernel offers, and which backend crate to choose.
///
/// Exits with 1 if no backend fits.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A line for each call, and the crate to choose.
    Text,
    /// One object, with the keys that xtask/src/probe/json.rs describes.
    Json,
}

/// A backend crate of this workspace, as this kernel sees it.
struct Candidate {
    package: &'static str,
    /// The kernel's answer to each call that the backend needs.
    answers: String,
    /// The same as facts, in the order of the text.
    facts: Vec<Fact>,
    verdict: Result<(), WatchError>,
    /// The reason to choose it where it fits.
    merit: &'static str,
}

/// One answer of the kernel.
struct Fact {
    name: &'static str,
    says: Says,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let candidates = candidates();
    let open_files = OpenFiles(getrlimit(Resource::Nofile));
    let out = &mut io::stdout().lock();
    match args.format {
        Format::Text => write_text(out, &candidates, &open_files)?,
        Format::Json => json::write(out, &probed(&candidates, &open_files))?,
    }
    out.flush()?;
    Ok(match pick(&candidates) {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

fn probed<'a>(candidates: &'a [Candidate], OpenFiles(limit): &OpenFiles) -> Probed<'a> {
    Probed {
        kernel: kernel::release(),
        backends: candidates.iter().map(Candidate::described).collect(),
        open_files: Limits {
            soft: limit.current,
            hard: limit.maximum,
        },
        pick: pick(candidates).map(|picked| picked.package),
    }
}

fn write_text(
    out: &mut impl Write,
    candidates: &[Candidate],
    open_files: &OpenFiles,
) -> io::Result<()> {
    writeln!(out, "{}\n", kernel::release())?;
    for candidate in candidates {
        writeln!(out, "{candidate}")?;
    }
    writeln!(out, "{open_files}\n")?;
    match pick(candidates) {
        Some(picked) => writeln!(out, "Pick {}: {}", picked.package, picked.merit),
        None => writeln!(out, "No backend of this workspace fits here."),
    }
}

/// Every backend crate. The preferred one is the first.
fn candidates() -> Vec<Candidate> {
    vec![pidfd(), sigchld()]
}

fn pidfd() -> Candidate {
    let probe = childwatch_pidfd::probe();
    Candidate {
        package: "childwatch-pidfd",
        answers: probe.to_string(),
        facts: vec![
            Fact::offered("pidfd_open", &probe.pidfd_open),
            Fact::offered("waitid_pidfd", &probe.waitid_pidfd),
            Fact::offered("get_info", &probe.get_info),
            Fact::offered("reaping", &probe.reaping),
        ],
        verdict: probe.check(),
        merit: "the kernel tells it of each exit, whatever the program does with SIGCHLD. \
                With more children than open files, FallbackWatcher over both.",
    }
}

fn sigchld() -> Candidate {
    let probe = childwatch_sigchld::probe();
    Candidate {
        package: "childwatch-sigchld",
        answers: probe.to_string(),
        facts: vec![
            Fact::offered("waitid", &probe.waitid),
            Fact {
                name: "disposition",
                says: match &probe.disposition {
                    Ok(disposition) => Says::Is(disposition_name(*disposition)),
                    Err(error) => Says::refuses(error),
                },
            },
            Fact {
                name: "is_blocked",
                says: Says::Offers(probe.is_blocked),
            },
            Fact {
                name: "proc",
                says: Says::Is(view_name(probe.proc)),
            },
        ],
        verdict: probe.check(),
        merit: "this kernel or sandbox has no pidfds, and children can be heard of by SIGCHLD.",
    }
}

impl Candidate {
    fn described(&self) -> Backend<'_> {
        let facts = self.facts.iter();
        Backend {
            package: self.package,
            fits: self.verdict.is_ok(),
            reason: self.verdict.as_ref().err().map(ToString::to_string),
            answers: facts.map(|fact| (fact.name, &fact.says)).collect(),
        }
    }
}

impl Fact {
    fn offered(name: &'static str, answer: &io::Result<()>) -> Self {
        let says = match answer {
            Ok(()) => Says::Offers(true),
            Err(error) => Says::refuses(error),
        };
        Fact { name, says }
    }
}

impl Says {
    fn refuses(error: &io::Error) -> Self {
        let error = error.to_string();
        Says::Refuses { error }
    }
}

fn disposition_name(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Default => "default",
        Disposition::Ignored => "ignored",
        Disposition::Handled => "handled",
        _ => "unknown",
    }
}

fn view_name(view: ProcView) -> &'static str {
    match view {
        ProcView::Own => "own",
        ProcView::Hidden => "hidden",
        ProcView::Foreign => "foreign",
        ProcView::Missing => "missing",
        _ => "unknown",
    }
}

fn pick(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates
        .iter()
        .find(|candidate| candidate.verdict.is_ok())
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(()) => writeln!(f, "{}: fits", self.package)?,
            Err(error) => writeln!(f, "{}: does not fit: {error}", self.package)?,
        }
        for answer in self.answers.lines() {
            writeln!(f, "    {answer}")?;
        }
        Ok(())
    }
}

/// Describes `RLIMIT_NOFILE` for a watcher with a file descriptor for each process.
struct OpenFiles(Rlimit);

/// The file descriptors of the watcher itself, and standard input, output and error.
const TAKEN_FDS: u64 = 3 + 3;

impl fmt::Display for OpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rlimit { current, maximum } = self.0;
        write!(
            f,
            "RLIMIT_NOFILE: soft {}, hard {}\n    childwatch-pidfd watches {} at once",
            limit(current),
            limit(maximum),
            room(current)
        )?;
        if current != maximum {
            write!(f, "; {} with the soft limit raised", room(maximum))?;
        }
        Ok(())
    }
}

fn limit(limit: Option<u64>) -> String {
    limit.map_or("unlimited".to_owned(), |limit| limit.to_string())
}

fn room(limit: Option<u64>) -> String {
    match limit {
        Some(limit) => format!("about {} processes", limit.saturating_sub(TAKEN_FDS)),
        None => "any number of processes".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn candidate(package: &'static str, verdict: Result<(), WatchError>) -> Candidate {
        Candidate {
            package,
            answers: "pidfd_open  no\nwaitid  no".to_owned(),
            facts: Vec::new(),
            verdict,
            merit: "",
        }
    }

    fn unsupported() -> WatchError {
        WatchError::Unsupported {
            operation: "pidfd_open",
            pid: None,
            source: io::ErrorKind::Unsupported.into(),
        }
    }

    #[test]
    fn the_first_that_fits_is_picked() {
        let refused = || candidate("first", Err(unsupported()));
        let fitting = [refused(), candidate("second", Ok(()))];
        assert_eq!(pick(&fitting).unwrap().package, "second");
        assert!(pick(&[refused()]).is_none());
    }

    #[test]
    fn a_candidate_that_does_not_fit_says_why() {
        let text = candidate("first", Err(unsupported())).to_string();
        assert!(text.starts_with("first: does not fit: "), "{text}");
        assert!(text.ends_with("\n    waitid  no\n"), "{text}");
    }

    #[test]
    fn the_limit_on_open_files_is_told_in_processes() {
        let limits = |current, maximum| OpenFiles(Rlimit { current, maximum }).to_string();
        assert_eq!(
            limits(Some(1_024), Some(4_096)),
            "RLIMIT_NOFILE: soft 1024, hard 4096\n    childwatch-pidfd watches about 1018 \
             processes at once; about 4090 processes with the soft limit raised"
        );
        assert_eq!(
            limits(None, None),
            "RLIMIT_NOFILE: soft unlimited, hard unlimited\n    childwatch-pidfd watches any \
             number of processes at once"
        );
    }

    fn written(candidates: &[Candidate], limit: Rlimit) -> Value {
        let mut bytes = Vec::new();
        json::write(&mut bytes, &probed(candidates, &OpenFiles(limit))).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn keys(object: &Value) -> Vec<&str> {
        object
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn the_keys_are_those_that_are_documented() {
        let limit = Rlimit {
            current: Some(1_024),
            maximum: None,
        };
        let object = written(&candidates(), limit);
        assert_eq!(keys(&object), ["backends", "kernel", "open_files", "pick"]);
        assert_eq!(object["open_files"], json!({"soft": 1024, "hard": null}));
        let backends = object["backends"].as_array().unwrap();
        for backend in backends {
            assert_eq!(keys(backend), ["answers", "fits", "package", "reason"]);
            assert_eq!(backend["fits"] == true, backend["reason"].is_null());
        }
        let answers = |index: usize| keys(&backends[index]["answers"]);
        assert_eq!(
            answers(0),
            ["get_info", "pidfd_open", "reaping", "waitid_pidfd"]
        );
        assert_eq!(answers(1), ["disposition", "is_blocked", "proc", "waitid"]);
    }

    #[test]
    fn a_refusal_has_its_error() {
        let error = io::Error::other("not here");
        let candidate = Candidate {
            package: "one",
            answers: String::new(),
            facts: vec![Fact::offered("call", &Err(error))],
            verdict: Ok(()),
            merit: "",
        };
        let limit = Rlimit {
            current: None,
            maximum: None,
        };
        let object = written(&[candidate], limit);
        let backend = &object["backends"][0];
        assert_eq!(backend["answers"], json!({"call": {"error": "not here"}}));
        assert_eq!(object["pick"], "one");
    }
}
