//! A shell with job control: it stops jobs, moves them between foreground and background of
//! its terminal, and waits for their stops as well as for their ends.
//!
//! If a library waited for any change of a child, it would take the stops from the shell. If
//! it changed a process group, it would stop the job or the shell.

use std::io::{BufRead, BufReader};
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use childwatch_core::Pid;
use rustix::process::{WaitOptions, WaitStatus, getpgid, waitpid};

use super::apart;
use super::life::{Around, Life};
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::actor::Role;
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::death;
use crate::kit::sys::terminal::Terminal;

pub(super) const HOST: Host = Host {
    name: "job-control",
    is: "a shell that stops jobs and moves them between foreground and background",
    needs: &[Need::Machine(Facility::Pseudoterminals)],
    exceptions: &[],
    live,
};

/// What the terminal makes of Ctrl-Z and Ctrl-D.
const SUSPEND: u8 = 0x1a;
const END_OF_INPUT: u8 = 0x04;

/// The shell leads a session, so it lives in a copy of this process.
fn live(life: &Life<'_>) {
    apart::in_a_copy(|| {
        let mut terminal = Terminal::of_a_new_session();
        life.goes_on(|around| runs_a_job(life, around, &mut terminal));
        // Without its keyboard the terminal would hang up, and end the shell.
        mem::forget(terminal);
    });
}

/// Returns the signals that have stopped a job, the code with which it has exited, and
/// whether it has kept its group.
fn runs_a_job(
    life: &Life<'_>,
    around: Around<'_>,
    terminal: &mut Terminal,
) -> (Vec<i32>, Option<i32>, bool) {
    let mut command = Role::Wait.command();
    let input = terminal.device.try_clone().expect("the terminal");
    let job = command.process_group(0).stdin(Stdio::from(input)).spawn();
    let mut job = job.expect("a job");
    let pid = Pid::from(&job);
    let probe = watch(life, around, pid);
    let mut line = String::new();
    let output = job.stdout.take().expect("its output is a pipe");
    let ready = BufReader::new(output).read_line(&mut line);
    assert!(ready.is_ok_and(|read| read > 0), "the job is ready");

    // It reads from the terminal in the background.
    let mut stops = vec![stop_of(pid)];
    terminal.bring_to_the_foreground(pid);
    death::continue_(pid);
    terminal.type_in(SUSPEND);
    stops.push(stop_of(pid));
    terminal.bring_to_the_foreground(own_pid());
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    let keeps_its_group = getpgid(number) == Ok(number.expect("a pid"));
    let runs = probe.as_ref().map_or(0, Probe::runs);
    assert_eq!(runs, 0, "a job is reported that is stopped");
    terminal.bring_to_the_foreground(pid);
    death::continue_(pid);
    terminal.type_in(END_OF_INPUT);
    death::confirm_dead(pid);
    let told = probe.map(|probe| probe.ran_once().status());
    let status = job.wait().ok();
    assert!(told.is_none_or(|told| told == status), "{told:?}");
    terminal.bring_to_the_foreground(own_pid());
    (
        stops,
        status.and_then(|status| status.code()),
        keeps_its_group,
    )
}

/// Waits until the job is stopped. Returns the signal that has stopped it.
fn stop_of(job: Pid) -> i32 {
    let number = rustix::process::Pid::from_raw(job.as_raw());
    let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
    let mut stopped: Option<WaitStatus> = None;
    deadline::until("the shell hears of a job's stop", || {
        let changed = waitpid(number, options).expect("the job is a child");
        stopped = changed.map(|(_, status)| status);
        stopped.is_some()
    });
    let signal = stopped.and_then(|status| status.stopping_signal());
    signal.expect("a stop, and no end")
}

fn own_pid() -> Pid {
    Pid::try_from(std::process::id()).expect("a pid")
}

fn watch(life: &Life<'_>, around: Around<'_>, pid: Pid) -> Option<Probe> {
    let backend = life.stage().backend();
    backend.offers(Feature::RealProcesses).ok()?;
    let probe = Probe::new();
    let watched = around.watcher?.watch(pid, probe.callback());
    watched.expect("the watcher takes a job");
    Some(probe)
}
