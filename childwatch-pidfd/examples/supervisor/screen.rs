//! [`Screen`]: a table on a terminal, and lines elsewhere.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::service::{Service, State};

/// How often a table is drawn anew, so that its times go on.
const REFRESH: Duration = Duration::from_secs(1);

pub(crate) struct Screen {
    is_terminal: bool,
    /// How many lines the table has that is on the terminal now.
    drawn: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Screen {
            is_terminal: io::stdout().is_terminal(),
            drawn: 0,
        }
    }

    /// Prints an event of a service, unless the table shows it.
    pub(crate) fn say(&self, name: &str, event: &str) {
        if !self.is_terminal {
            // A closed pipe ends nothing: the services matter more.
            let _ = writeln!(io::stdout(), "{name}: {event}");
        }
    }

    pub(crate) fn refresh_after(&self) -> Option<Duration> {
        self.is_terminal.then_some(REFRESH)
    }

    /// Draws the table over the last one.
    pub(crate) fn show(&mut self, services: &[Service]) {
        if !self.is_terminal {
            return;
        }
        let table = table(services, Instant::now());
        let mut text = String::new();
        if self.drawn > 0 {
            // Up to the table's first line, and clear from there.
            let _ = write!(text, "\x1b[{}A\x1b[J", self.drawn);
        }
        text.push_str(&table);
        self.drawn = table.lines().count();
        let mut stdout = io::stdout();
        let _ = stdout.write_all(text.as_bytes());
        let _ = stdout.flush();
    }
}

const HEADINGS: [&str; 7] = [
    "service",
    "state",
    "for",
    "restarts",
    "time",
    "memory",
    "last exit",
];

fn table(services: &[Service], now: Instant) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(services.iter().map(|service| row(service, now)));
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(service: &Service, now: Instant) -> [String; 7] {
    let (state, time) = match &service.state {
        State::Waiting { until } => (
            "waits".to_owned(),
            seconds(until.saturating_duration_since(now)),
        ),
        State::Running(process) => (
            format!("runs ({})", process.pid),
            seconds(now - process.since),
        ),
        State::Stopping { process, .. } => (
            format!("stops ({})", process.pid),
            seconds(now - process.since),
        ),
        State::Ended { failed: true } => ("failed".to_owned(), String::new()),
        State::Ended { failed: false } => ("ended".to_owned(), String::new()),
    };
    let (used, memory) = service.last_usage.map_or_else(Default::default, |usage| {
        let time = usage.processor_time().as_secs_f64();
        (
            format!("{time:.2} s"),
            format!("{} KiB", usage.max_resident / 1024),
        )
    });
    [
        service.settings.name.clone(),
        state,
        time,
        service.restarts.to_string(),
        used,
        memory,
        service.last_exit.clone().unwrap_or_default(),
    ]
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}
