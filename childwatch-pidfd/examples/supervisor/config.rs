//! The file of services. An error is one line, with the file, the line and the reason.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use toml::Spanned;

/// What the file says about one service.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) restart: Restart,
    pub(crate) stop_timeout: Duration,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) log: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    #[default]
    Always,
    OnFailure,
    Never,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: Vec<Spanned<Service>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    name: Spanned<String>,
    command: Spanned<Vec<String>>,
    #[serde(default)]
    restart: Restart,
    stop_timeout: Option<Spanned<f64>>,
    backoff: Option<Spanned<f64>>,
    backoff_max: Option<Spanned<f64>>,
    log: Option<PathBuf>,
}

/// Reads the services of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Settings>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).map_err(|Fault { at, reason }| {
        let line = line_of(&text, at);
        anyhow::anyhow!("{}:{line}: {reason}", path.display())
    })
}

/// Where in the text something is wrong, and what.
#[derive(Debug)]
struct Fault {
    at: usize,
    reason: String,
}

impl Fault {
    fn new(span: Range<usize>, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Fault {
            at: span.start,
            reason,
        }
    }
}

fn parse(text: &str) -> Result<Vec<Settings>, Fault> {
    let file: File = toml::from_str(text).map_err(|error| {
        // A message of several lines would break the promise of one.
        let reason = error.message().lines().collect::<Vec<_>>().join(", ");
        Fault::new(error.span().unwrap_or_default(), reason)
    })?;
    let mut names = HashSet::new();
    let mut services = Vec::new();
    for service in file.service {
        let span = service.span();
        let service = service.into_inner();
        let at = service.name.span();
        let settings = Settings::new(service)?;
        if settings.name.is_empty() {
            return Err(Fault::new(at, "a service needs a name"));
        }
        if !names.insert(settings.name.clone()) {
            let reason = format!("there are two services {:?}", settings.name);
            return Err(Fault::new(at, reason));
        }
        if settings.backoff > settings.backoff_max {
            return Err(Fault::new(span, "backoff is longer than backoff_max"));
        }
        services.push(settings);
    }
    if services.is_empty() {
        return Err(Fault::new(0..0, "there is no [[service]]"));
    }
    Ok(services)
}

impl Settings {
    fn new(service: Service) -> Result<Self, Fault> {
        let span = service.command.span();
        let mut words = service.command.into_inner().into_iter();
        let Some(program) = words.next().filter(|program| !program.is_empty()) else {
            return Err(Fault::new(span, "command names no program"));
        };
        Ok(Settings {
            name: service.name.into_inner(),
            program,
            arguments: words.collect(),
            restart: service.restart,
            stop_timeout: seconds(service.stop_timeout, 5.0)?,
            backoff: seconds(service.backoff, 0.5)?,
            backoff_max: seconds(service.backoff_max, 60.0)?,
            log: service.log,
        })
    }
}

fn seconds(value: Option<Spanned<f64>>, default: f64) -> Result<Duration, Fault> {
    let (span, seconds) = value.map_or((0..0, default), |value| (value.span(), value.into_inner()));
    // A year is long enough, and no sum of such times overflows.
    let is_allowed = (0.0..=31_536_000.0).contains(&seconds);
    if !is_allowed {
        let reason = format!("{seconds} seconds: a number from 0 to 31536000 is allowed");
        return Err(Fault::new(span, reason));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Returns the number of the line with this byte, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}
