//! What the kernel offers, as one JSON object. Its keys:
//!
//! | key | value |
//! |---|---|
//! | `kernel` | name and release, such as `"Linux 6.18.44"` |
//! | `backends` | an object for each backend crate, the preferred one first |
//! | `backends[].package` | the crate |
//! | `backends[].fits` | `true` if a watcher can be made here |
//! | `backends[].reason` | the error of the constructor, or `null` if it fits |
//! | `backends[].answers` | an object with a key for each field of the crate's `Probe` |
//! | `open_files.soft`, `open_files.hard` | `RLIMIT_NOFILE`, or `null` if it is unlimited |
//! | `pick` | the package to choose, or `null` if none fits |
//!
//! An answer is `true` or `false`, or the name of a state (`disposition`, `proc`), or an object
//! with the key `error` if the kernel refuses.

use std::collections::BTreeMap;
use std::io::{self, Write};

use childwatch_command::kernel;
use serde::Serialize;

use super::{Candidate, OpenFiles, Says, pick};

#[derive(Serialize)]
struct Probed<'a> {
    kernel: String,
    backends: Vec<Backend<'a>>,
    open_files: Limits,
    pick: Option<&'static str>,
}

#[derive(Serialize)]
struct Backend<'a> {
    package: &'static str,
    fits: bool,
    reason: Option<String>,
    answers: BTreeMap<&'static str, &'a Says>,
}

#[derive(Serialize)]
struct Limits {
    soft: Option<u64>,
    hard: Option<u64>,
}

pub(super) fn write(
    out: &mut impl Write,
    candidates: &[Candidate],
    OpenFiles(limit): &OpenFiles,
) -> io::Result<()> {
    let probed = Probed {
        kernel: kernel::release(),
        backends: candidates.iter().map(backend).collect(),
        open_files: Limits {
            soft: limit.current,
            hard: limit.maximum,
        },
        pick: pick(candidates).map(|picked| picked.package),
    };
    serde_json::to_writer_pretty(&mut *out, &probed)?;
    writeln!(out)
}

fn backend(candidate: &Candidate) -> Backend<'_> {
    let facts = candidate.facts.iter();
    Backend {
        package: candidate.package,
        fits: candidate.verdict.is_ok(),
        reason: candidate.verdict.as_ref().err().map(ToString::to_string),
        answers: facts.map(|fact| (fact.name, &fact.says)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::Rlimit;
    use serde_json::{Value, json};

    use super::*;
    use crate::probe::{Fact, candidates};

    fn written(candidates: &[Candidate], limit: Rlimit) -> Value {
        let mut bytes = Vec::new();
        write(&mut bytes, candidates, &OpenFiles(limit)).unwrap();
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
        assert_eq!(answers(0), ["get_info", "pidfd_open", "waitid_pidfd"]);
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
