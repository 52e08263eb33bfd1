//! The `supervisor` example as its user sees it.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Long enough for every machine.
const PATIENCE: Duration = Duration::from_secs(60);

const WAYS: [&[&str]; 6] = [
    &["--backend", "pidfd"],
    &["--backend", "pidfd", "--no-thread"],
    &["--backend", "sigchld"],
    &["--backend", "sigchld", "--no-thread"],
    &["--backend", "auto"],
    &["--backend", "auto", "--no-thread"],
];

/// A supervisor that runs. It is killed when dropped, and its services with it.
struct Supervisor {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    directory: TempDir,
}

impl Supervisor {
    /// In the services, `DIR` is an empty directory.
    fn start(services: &str, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("services.toml");
        let services = services.replace("DIR", directory.path().to_str().unwrap());
        fs::write(&config, services).unwrap();
        let mut process = Command::new(example())
            .arg(config)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Supervisor {
            process,
            lines,
            directory,
        }
    }

    /// Reads lines until one has this text, and returns that one.
    fn until(&mut self, text: &str) -> String {
        let mut lines = self.lines.by_ref().map(|line| line.unwrap());
        lines.find(|line| line.contains(text)).unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn stop(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Returns its code, and the lines that are left.
    fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let lines = self.lines.by_ref().map(|line| line.unwrap()).collect();
        (self.process.wait().unwrap().code(), lines)
    }

    /// Waits until a service has written this file, and returns its text.
    fn file(&self, name: &str) -> String {
        let path = self.directory.path().join(name);
        wait_until(|| {
            let text = fs::read_to_string(&path).ok()?;
            text.ends_with('\n').then_some(text)
        })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_until<T>(condition: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "in vain");
        std::thread::yield_now();
    }
}

/// Returns the state of a process and its parent, or `None` if there is no such process.
fn state_of(pid: &str) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// A zombie is dead too: process 1 of a container may reap nothing.
fn wait_until_dead(pid: &str) {
    wait_until(|| {
        state_of(pid)
            .is_none_or(|(state, _)| state == "Z")
            .then_some(())
    });
}

fn children_of(parent: Pid) -> Vec<String> {
    let parent = parent.as_raw_nonzero().to_string();
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    pids.filter(|pid| state_of(pid).is_some_and(|(_, its)| its == parent))
        .collect()
}

#[test]
fn a_crashed_service_is_reaped_and_waits_for_its_restart() {
    for options in WAYS {
        let services = r#"
            [[service]]
            name = "web"
            command = ["sh", "-c", "exit 3"]
            restart = "on-failure"
            backoff = 1000
            backoff_max = 1000
        "#;
        let mut supervisor = Supervisor::start(services, options);
        supervisor.until("web: started as process");
        let crash = supervisor.until("exit status: 3");
        assert!(crash.ends_with("restarts in 1000.0 s"), "{crash}");
        assert!(crash.contains(" KiB"), "{crash}");
        assert_eq!(children_of(supervisor.pid()), [""; 0], "{options:?}");
        supervisor.stop();
        let (code, lines) = supervisor.end();
        assert_eq!(code, Some(0), "{options:?}");
        let not_restarted = "web: is not restarted".to_owned();
        assert!(lines.contains(&not_restarted), "{lines:?}");
    }
}

#[test]
fn pauses_between_restarts_grow() {
    let services = r#"
        [[service]]
        name = "web"
        command = ["sh", "-c", "exit 3"]
        backoff = 0.05
        backoff_max = 1000
    "#;
    let mut supervisor = Supervisor::start(services, &[]);
    for pause in ["0.1 s", "0.1 s", "0.2 s", "0.4 s"] {
        let crash = supervisor.until("exit status: 3");
        assert!(crash.ends_with(pause), "{crash}");
    }
}

#[test]
fn services_end_in_the_opposite_order() {
    for options in WAYS {
        let services = r#"
            [[service]]
            name = "first"
            command = ["sleep", "1000"]
            [[service]]
            name = "second"
            command = ["sleep", "1000"]
        "#;
        let mut supervisor = Supervisor::start(services, options);
        supervisor.until("second: started");
        supervisor.stop();
        let (code, lines) = supervisor.end();
        assert_eq!(code, Some(0), "{options:?}");
        let of: Vec<_> = lines
            .iter()
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        assert_eq!(of, ["second", "second", "first", "first"], "{lines:?}");
        assert!(lines[1].contains("signal: 15"), "{lines:?}");
    }
}

#[test]
fn without_restarts_the_supervisor_ends_with_its_services() {
    for (code, wanted) in [(0, 0), (3, 1)] {
        let services = format!(
            "[[service]]\nname = 'job'\nrestart = 'never'\ncommand = ['sh', '-c', 'exit {code}']"
        );
        let mut supervisor = Supervisor::start(&services, &[]);
        assert_eq!(supervisor.end().0, Some(wanted));
    }
}

#[test]
fn what_cannot_be_started_is_said_and_tried_again() {
    let services = r#"
        [[service]]
        name = "gone"
        command = ["/no/such/program"]
        backoff = 0.01
    "#;
    let mut supervisor = Supervisor::start(services, &[]);
    supervisor.until("cannot be started: No such file");
    supervisor.until("cannot be started: No such file");
    supervisor.stop();
    assert_eq!(supervisor.end().0, Some(0));

    let never = format!("{services}\nrestart = 'never'");
    assert_eq!(Supervisor::start(&never, &[]).end().0, Some(1));
}

const STUBBORN: &str = r#"
    [[service]]
    name = "stubborn"
    command = ["sh", "-c", "trap '' TERM; echo $$ > DIR/ready; while :; do sleep 1000; done"]
"#;

#[test]
fn a_service_that_ignores_sigterm_is_killed_after_its_time() {
    let mut supervisor = Supervisor::start(&format!("{STUBBORN}\nstop_timeout = 0.2"), &[]);
    supervisor.file("ready");
    supervisor.stop();
    let (code, lines) = supervisor.end();
    assert_eq!(code, Some(0));
    let text = lines.join("\n");
    assert!(text.contains("asked to stop\nstubborn: killed\n"), "{text}");
    assert!(text.contains("signal: 9"), "{text}");
}

#[test]
fn a_second_signal_kills_at_once() {
    let mut supervisor = Supervisor::start(&format!("{STUBBORN}\nstop_timeout = 1000"), &[]);
    supervisor.file("ready");
    supervisor.stop();
    supervisor.until("asked to stop");
    supervisor.stop();
    let (code, lines) = supervisor.end();
    assert_eq!(code, Some(0));
    assert_eq!(lines[0], "stubborn: killed", "{lines:?}");
}

#[test]
fn services_do_not_outlive_a_supervisor_that_is_killed_while_it_stops() {
    let mut supervisor = Supervisor::start(&format!("{STUBBORN}\nstop_timeout = 1000"), &[]);
    let pid = supervisor.file("ready").trim().to_owned();
    supervisor.stop();
    supervisor.until("asked to stop");
    drop(supervisor);
    wait_until_dead(&pid);
}

#[test]
fn what_a_service_leaves_behind_is_killed_before_it_is_reaped() {
    let services = r#"
        [[service]]
        name = "forks-on"
        command = ["sh", "-c", "sleep 1000 & echo $! > DIR/left; exit 0"]
        restart = "never"
    "#;
    let mut supervisor = Supervisor::start(services, &[]);
    let left = supervisor.file("left").trim().to_owned();
    assert_eq!(supervisor.end().0, Some(0));
    wait_until_dead(&left);
}

#[test]
fn a_service_starts_with_ordinary_signals() {
    for options in WAYS {
        let services = r#"
            [[service]]
            name = "shows"
            command = ["sh", "-c", "exec grep -E 'Sig(Blk|Ign)' /proc/self/status"]
            restart = "never"
            log = "DIR/signals"
        "#;
        let mut supervisor = Supervisor::start(services, options);
        supervisor.end();
        let text = supervisor.file("signals");
        for line in text.lines() {
            let signals = line.split_whitespace().nth(1).unwrap();
            let signals = u64::from_str_radix(signals, 16).unwrap();
            // What this test's own parent ignores is not the supervisor's doing.
            let of_the_supervisors = [Signal::TERM, Signal::INT, Signal::CHILD];
            for signal in of_the_supervisors {
                let bit = 1 << (signal.as_raw() - 1);
                assert_eq!(signals & bit, 0, "{options:?}: {signal:?} in {line}");
            }
        }
    }
}

/// One line, with the file, the line and the reason, and nothing is started.
#[test]
fn a_bad_file_is_refused_in_one_line() {
    let good = "[[service]]\nname = 'a'\ncommand = ['touch', 'DIR/started']\nrestart = 'never'\n";
    for (text, line, reason) in [
        ("", 1, "missing field `service`"),
        ("[[service]\n", 1, ""),
        (
            "[[service]]\nname = 'b'\ncommand = []\n",
            7,
            "names no program",
        ),
        (
            "[[service]]\nname = 'b'\ncommand = 'sleep'\n",
            7,
            "invalid type",
        ),
        (
            "[[service]]\nname = 'a'\ncommand = ['true']\n",
            6,
            "two services",
        ),
        (
            "[[service]]\nname = ''\ncommand = ['true']\n",
            6,
            "needs a name",
        ),
        (
            "[[service]]\nname = 'b'\ncommand = ['true']\nrestrat = 'never'\n",
            8,
            "unknown field",
        ),
        (
            "[[service]]\nname = 'b'\ncommand = ['true']\nbackoff = -1.0\n",
            8,
            "from 0 to",
        ),
        (
            "[[service]]\nname = 'b'\ncommand = ['true']\nstop_timeout = nan\n",
            8,
            "from 0 to",
        ),
        (
            "[[service]]\nname = 'b'\ncommand = ['true']\nbackoff = 99.0\n",
            5,
            "longer than",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("services.toml");
        let before = if line > 1 { good } else { "" };
        let text = format!("{before}{text}").replace("DIR", directory.path().to_str().unwrap());
        fs::write(&config, &text).unwrap();
        let output = Command::new(example()).arg(&config).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let place = format!("supervisor: {}:{line}: ", config.display());
        assert!(
            said.starts_with(&place) && said.contains(reason),
            "{text}{said}"
        );
        assert!(!directory.path().join("started").exists());
    }
    let output = Command::new(example())
        .arg("/no/such/file")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("supervisor: /no/such/file: No such file"),
        "{said}"
    );
}

/// `target/<profile>/examples/supervisor`, seen from `target/<profile>/deps/<this test>`.
fn example() -> PathBuf {
    let this = env::current_exe().unwrap();
    let profile = this.ancestors().nth(2).unwrap();
    profile.join("examples/supervisor")
}
