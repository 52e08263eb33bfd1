//! The same simulator on simulated processes and on real ones.

use std::thread;

use childwatch_core::{SimulatedProcesses, SimulatedWatcher};
use childwatch_pidfd::{Pid, PidfdWatcher};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, kill_process, waitpid};

use crate::PROGRAMS;
use crate::shell::ShellProcess;
use crate::simulated::SimulatedProcess;
use crate::simulator::{Ending, Fate, ManagedProcess, simulate};

#[test]
fn a_death_amid_a_conversation_is_told_and_the_others_go_on() {
    let processes = SimulatedProcesses::new();
    let client = SimulatedProcess::launch("client", &processes);
    let server = SimulatedProcess::launch("server", &processes);
    let fates = simulate_while(&processes, [&client, &server], || {
        client.call("connect");
        server.call("accept");
        server.die(libc::SIGKILL);
        client.call("send");
        client.call("exit");
        client.exit(0);
    });
    assert_eq!(
        fates,
        [
            "process 1000 (client) called connect, send, exit, then exited normally: exit status: 0",
            "process 1001 (server) called accept, then died unexpectedly: signal: 9 (SIGKILL)",
        ]
    );
}

#[test]
fn an_exit_without_the_exit_call_is_unexpected() {
    let processes = SimulatedProcesses::new();
    let logger = SimulatedProcess::launch("logger", &processes);
    let fates = simulate_while(&processes, [&logger], || logger.exit(3));
    assert_eq!(
        fates,
        ["process 1000 (logger) called nothing, then died unexpectedly: exit status: 3"]
    );
}

#[test]
fn a_signal_after_the_exit_call_is_unexpected() {
    let processes = SimulatedProcesses::new();
    let client = SimulatedProcess::launch("client", &processes);
    let fates = simulate_while(&processes, [&client], || {
        client.call("exit");
        client.die(libc::SIGSEGV);
    });
    assert_eq!(
        fates,
        ["process 1000 (client) called exit, then died unexpectedly: signal: 11 (SIGSEGV)"]
    );
}

#[test]
fn calls_made_before_the_death_count_and_one_cut_short_does_not() {
    let processes = SimulatedProcesses::new();
    let client = SimulatedProcess::launch("client", &processes);
    client.say("connect\nsen");
    client.die(libc::SIGKILL);
    let fates = simulate_while(&processes, [&client], || {});
    assert_eq!(
        fates,
        ["process 1000 (client) called connect, then died unexpectedly: signal: 9 (SIGKILL)"]
    );
}

#[test]
fn real_processes_meet_the_fates_of_their_scripts() {
    let watcher = PidfdWatcher::new().unwrap();
    let shells = PROGRAMS.map(|(name, script)| ShellProcess::launch(name, script).unwrap());
    let pids = shells.each_ref().map(ShellProcess::pid);
    let fates = simulate(&watcher, boxed(shells)).unwrap();

    let [client, server, logger] = pids;
    assert_eq!(
        texts(&fates),
        [
            format!(
                "process {client} (client) called connect, send, recv, exit, then \
                 exited normally: exit status: 0"
            ),
            format!(
                "process {server} (server) called accept, then died unexpectedly: signal: 9 (SIGKILL)"
            ),
            format!(
                "process {logger} (logger) called open, then died unexpectedly: exit status: 3"
            ),
        ]
    );
    for pid in pids {
        assert_reaped(pid);
    }
}

#[test]
fn a_real_process_killed_from_outside_is_told() {
    let watcher = PidfdWatcher::new().unwrap();
    let server = ShellProcess::launch("server", "exec cat >&2").unwrap();
    let pid = server.pid();
    let fates = thread::scope(|scope| {
        let simulation = scope.spawn(|| simulate(&watcher, boxed([server])));
        kill_process(raw(pid), Signal::KILL).unwrap();
        simulation.join().unwrap().unwrap()
    });
    assert_eq!(fates[0].ending(), Ending::Unexpected);
    assert_reaped(pid);
}

#[test]
fn a_refused_watch_leaves_no_process() {
    let knows_no_process = SimulatedWatcher::new(&SimulatedProcesses::new()).unwrap();
    let server = ShellProcess::launch("server", "exec cat >&2").unwrap();
    let pid = server.pid();
    let error = simulate(&knows_no_process, boxed([server])).unwrap_err();
    assert_eq!(error.to_string(), "cannot watch server");
    assert_reaped(pid);
}

fn simulate_while<const N: usize>(
    processes: &SimulatedProcesses,
    managed: [&SimulatedProcess; N],
    play: impl FnOnce(),
) -> Vec<String> {
    let watcher = SimulatedWatcher::new(processes).unwrap();
    thread::scope(|scope| {
        let simulation = scope.spawn(|| simulate(&watcher, boxed(managed.map(Clone::clone))));
        play();
        texts(&simulation.join().unwrap().unwrap())
    })
}

fn boxed<P: ManagedProcess + 'static, const N: usize>(
    processes: [P; N],
) -> Vec<Box<dyn ManagedProcess>> {
    processes.into_iter().map(|p| Box::new(p) as _).collect()
}

fn texts(fates: &[Fate]) -> Vec<String> {
    fates.iter().map(Fate::to_string).collect()
}

fn assert_reaped(pid: Pid) {
    let answer = waitpid(Some(raw(pid)), WaitOptions::NOHANG);
    assert_eq!(answer.unwrap_err(), Errno::CHILD);
}

fn raw(pid: Pid) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(pid.as_raw()).unwrap()
}
