//! The steps of a [`SigchldSource`], on real children.

#![expect(
    unsafe_code,
    reason = "`ptrace`, with plain values; a copy with another handler"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use childwatch_core::source::clock;

use super::*;
use crate::listen::mask;
use crate::look::child::tests::{cat, late_cat, let_die, plus};
use crate::schedule::HEARTBEAT;

const TOKEN: Token = Token::from_parts(0, 0);

/// A source that gets only the signals of its test.
fn source() -> (SigchldSource, SigchldWaiter, Forwarder) {
    let ((source, waiter), forwarder) = SigchldSource::with_forwarder().unwrap();
    (source, waiter, forwarder)
}

fn ended(raw: i32) -> Option<Ended> {
    status(raw).map(|status| Ended::new(status, None))
}

fn status(raw: i32) -> Option<ExitStatus> {
    Some(ExitStatus::from_raw(raw))
}

fn success() -> Report {
    Report::new(TOKEN, status(0))
}

/// Arms a child, without a look.
fn insert(source: &SigchldSource, child: &std::process::Child, armed_at: Ticks) {
    source.signals.open();
    let mut table = source.table();
    table.insert(Pid::from(child), TOKEN, source.signals.epoch());
    table.set_armed_at(TOKEN, armed_at);
}

/// Makes a sweep, as a heartbeat does or as signals do.
fn sweep(source: &SigchldSource, waiter: &mut SigchldWaiter, is_heartbeat: bool) -> Vec<Report> {
    let mut now = clock::monotonic();
    if is_heartbeat {
        now += HEARTBEAT * 2;
    }
    let mut reports = Vec::new();
    let epoch = source.signals.epoch();
    source.sweep_a_chunk(waiter, now, epoch, &mut reports);
    reports
}

/// Waits until a thread of this process blocks the signal, or until it does not.
fn until_blocked(thread: i32, is_wanted: bool) {
    const PATIENCE: Duration = Duration::from_secs(60);
    let path = format!("/proc/self/task/{thread}/status");
    let start = clock::monotonic();
    while clock::monotonic() - start < PATIENCE {
        let status = std::fs::read_to_string(&path).unwrap();
        let mut lines = status.lines();
        let mask = lines.find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        if (mask & 1 << (libc::SIGCHLD - 1) != 0) == is_wanted {
            return;
        }
        thread::yield_now();
    }
    panic!("blocked: {}, for as long as this", !is_wanted);
}

#[test]
fn the_thread_lets_the_signal_through_while_it_rests_and_something_is_watched() {
    let (source, mut waiter) = SigchldSource::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            mask::set_blocked(true).unwrap();
            let thread = rustix::thread::gettid().as_raw_nonzero().get();
            sender.send(thread).unwrap();
            let mut reports = Vec::new();
            source.wait(&mut waiter, &mut reports).unwrap();
            // Callbacks run now, with their own mask. The engine waits for a signal that is pending.
            assert!(!mask::is_blocked());
            while reports.is_empty() {
                source.wait(&mut waiter, &mut reports).unwrap();
            }
            // A callback tells the program that the last child is gone.
            assert!(mask::is_blocked());
        });
        let thread = receiver.recv().unwrap();
        until_blocked(thread, true);
        let mut child = cat();
        for _ in 0..3 {
            source.arm(Pid::from(&child), TOKEN).unwrap();
            until_blocked(thread, false);
            source.disarm(TOKEN);
            until_blocked(thread, true);
        }
        source.arm(Pid::from(&child), TOKEN).unwrap();
        until_blocked(thread, false);
        source.wake().unwrap();
        let_die(&mut child);
        child.wait().unwrap();
    });
}

/// The program may block the signal so that its handler does not run. A handler that it installs while
/// the thread lets the signal through counts too.
#[test]
fn the_thread_blocks_the_signal_again_when_the_program_has_installed_a_handler_since() {
    extern "C" fn programs(_: libc::c_int) {}
    let (source, mut waiter) = SigchldSource::new().unwrap();
    source.kernel.install_handler().unwrap();
    let mut lets_through_with = |handler: Option<libc::sighandler_t>| {
        if let Some(handler) = handler {
            // SAFETY: the handler is a function, or was found. The disposition is the copy's own.
            unsafe { libc::signal(libc::SIGCHLD, handler) };
        }
        source.let_signal_through(&mut waiter, true);
        !mask::is_blocked()
    };
    let handler = programs as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the copy makes system calls alone. Its disposition and its mask are its own.
    let copy = unsafe {
        let copy = libc::fork();
        if copy == 0 {
            let is_blocked = mask::set_blocked(true).is_ok();
            let lets_ours_through = lets_through_with(None);
            let ours = libc::signal(libc::SIGCHLD, handler);
            let blocks_the_programs = !lets_through_with(Some(handler));
            let lets_ours_through_again = lets_through_with(Some(ours));
            let is_well =
                is_blocked && lets_ours_through && blocks_the_programs && lets_ours_through_again;
            libc::_exit(i32::from(!is_well));
        }
        copy
    };
    let copy = rustix::process::Pid::from_raw(copy).unwrap();
    let ended = rustix::process::waitpid(Some(copy), rustix::process::WaitOptions::empty());
    assert_eq!(ended.unwrap().unwrap().1.exit_status(), Some(0));
}

/// A callback that is due without a report may tell the program too that the last child is gone.
#[test]
fn after_a_waking_alone_the_thread_blocks_the_signal_if_no_child_is_left() {
    thread::spawn(|| {
        let (source, mut waiter) = SigchldSource::new().unwrap();
        let mut child = cat();
        mask::set_blocked(true).unwrap();
        source.arm(Pid::from(&child), TOKEN).unwrap();
        source.let_signal_through(&mut waiter, true);
        assert!(!mask::is_blocked());
        source.disarm(TOKEN);
        source.wake().unwrap();
        source.wait(&mut waiter, &mut Vec::new()).unwrap();
        assert!(mask::is_blocked());
        let_die(&mut child);
        child.wait().unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn with_a_forwarder_the_mask_stays_as_it_is() {
    let (source, mut waiter, _forwarder) = source();
    thread::spawn(move || {
        mask::set_blocked(true).unwrap();
        let mut child = cat();
        source.arm(Pid::from(&child), TOKEN).unwrap();
        source.wake().unwrap();
        source.wait(&mut waiter, &mut Vec::new()).unwrap();
        assert!(mask::is_blocked());
        // Also if another watcher has installed the handler, and when the thread rests.
        source.kernel.install_handler().unwrap();
        source.let_signal_through(&mut waiter, true);
        assert!(mask::is_blocked());
        let_die(&mut child);
        child.wait().unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn a_forwarded_signal_reports_an_exit() {
    for notify in [
        |forwarder: &Forwarder, _: Pid| forwarder.notify(),
        |forwarder: &Forwarder, pid: Pid| {
            forwarder.notify_child(pid.as_raw(), libc::CLD_EXITED, 0);
        },
    ] {
        let (source, mut waiter, forwarder) = source();
        // A heartbeat would find it too.
        waiter.schedule = Schedule::without_heartbeat(clock::monotonic());
        let mut child = cat();
        let pid = Pid::from(&child);
        source.arm(pid, TOKEN).unwrap();
        let_die(&mut child);
        let mut reports = Vec::new();
        let step = source.sweep_a_chunk_if_due(&mut waiter, &mut reports);
        assert!(matches!(step, Step::Rest(Some(_))), "no signal has come");
        notify(&forwarder, pid);
        source.sweep_a_chunk_if_due(&mut waiter, &mut reports);
        assert_eq!(reports, [success()]);
        child.wait().unwrap();
        drop(source);
        notify(&forwarder, pid);
    }
}

#[test]
fn an_exit_before_the_arming_is_reported() {
    let (source, mut waiter, _forwarder) = source();
    let mut child = cat();
    let_die(&mut child);
    let seen = source.signals.event_count.count();
    source.arm(Pid::from(&child), TOKEN).unwrap();
    assert_ne!(source.signals.event_count.count(), seen);
    let mut reports = Vec::new();
    source.look_at_hinted(&mut waiter, &mut reports);
    assert_eq!(reports, [success()]);
    child.wait().unwrap();
}

#[test]
fn a_refused_arming_leaves_nothing() {
    let (source, _waiter, _forwarder) = source();
    let own = Pid::try_from(std::process::id()).unwrap();
    let refused = source.arm(own, TOKEN);
    assert!(matches!(refused, Err(WatchError::OwnProcess { .. })));
    assert!(source.table().is_empty());
    assert!(!source.signals.is_open());
}

#[test]
fn a_hinted_exit_is_reported_once_before_anything_else_is_looked_at() {
    let (source, mut waiter, forwarder) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    source.arm(pid, TOKEN).unwrap();
    let_die(&mut child);
    forwarder.notify_child(pid.as_raw(), libc::CLD_EXITED, 0);
    let mut reports = Vec::new();
    source.look_at_hinted(&mut waiter, &mut reports);
    assert_eq!(reports, [success()]);
    forwarder.notify_child(pid.as_raw(), libc::CLD_EXITED, 0);
    source.look_at_hinted(&mut waiter, &mut reports);
    assert_eq!(reports, [success()]);
    child.wait().unwrap();
}

#[test]
fn an_exit_without_a_hint_is_found_by_a_sweep_once() {
    let (source, mut waiter, _forwarder) = source();
    let mut child = cat();
    let_die(&mut child);
    insert(&source, &child, Ticks::now());
    assert_eq!(sweep(&source, &mut waiter, false), [success()]);
    assert_eq!(sweep(&source, &mut waiter, false), []);
    child.wait().unwrap();
}

/// Whatever signals and callbacks do, each wait makes a chunk of a sweep that is due.
#[test]
fn a_wait_that_is_full_of_hints_makes_progress_in_its_sweep() {
    let (source, mut waiter, forwarder) = source();
    let mut silent = cat();
    let_die(&mut silent);
    insert(&source, &silent, Ticks::now());
    let mut noisy = cat();
    let noisy_pid = Pid::from(&noisy);
    let other = Token::from_parts(1, 0);
    source.arm(noisy_pid, other).unwrap();
    let_die(&mut noisy);
    forwarder.notify_child(noisy_pid.as_raw(), libc::CLD_EXITED, 0);
    let mut reports = Vec::new();
    source.wait(&mut waiter, &mut reports).unwrap();
    let mut tokens: Vec<_> = reports.iter().map(|report| report.token).collect();
    tokens.sort_by_key(|token| token.index());
    assert_eq!(tokens, [TOKEN, other]);
    silent.wait().unwrap();
    noisy.wait().unwrap();
}

/// After long callbacks a sweep may take its share of their time.
#[test]
fn after_long_callbacks_a_whole_sweep_is_made_at_once() {
    let (source, mut waiter, _forwarder) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    source.signals.open();
    // There is more than a chunk before it in the table: one living child, many times.
    for index in 0..3 * CHUNK as u32 {
        let token = Token::from_parts(index, 0);
        source.table().insert(pid, token, source.signals.epoch());
    }
    let mut zombie = cat();
    let_die(&mut zombie);
    let last = Token::from_parts(3 * CHUNK as u32, 0);
    source
        .table()
        .insert(Pid::from(&zombie), last, source.signals.epoch());
    source.signals.signal_unknown();
    waiter.returned_at = clock::monotonic().saturating_sub(Duration::from_secs(60));
    let mut reports = Vec::new();
    source.sweep_after_callbacks(&mut waiter, &mut reports);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].token, last);
    let_die(&mut child);
    child.wait().unwrap();
    zombie.wait().unwrap();
}

/// The time since the last look is the program's. Its loop waits for a look meanwhile.
#[test]
fn a_look_without_a_wait_ends_before_a_long_sweep_does() {
    // No machine makes so many looks within `LONGEST_COLLECT`.
    const CHILDREN: u32 = 1 << 16;
    let (source, mut waiter, _forwarder) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    source.signals.open();
    for index in 0..CHILDREN {
        let token = Token::from_parts(index, 0);
        source.table().insert(pid, token, source.signals.epoch());
    }
    source.signals.signal_unknown();
    waiter.returned_at = Duration::ZERO;
    let (_, rest) = source.look_now(&mut waiter, &mut Vec::new());
    assert_eq!(rest, Some(Duration::ZERO), "the sweep goes on");
    assert_eq!(source.sweeps.load(Ordering::Relaxed), 0);
    let_die(&mut child);
    child.wait().unwrap();
}

/// So the status belongs to a process that has had the pid before, or to a first thread.
#[test]
fn a_look_that_finds_a_hinted_child_alive_is_remembered() {
    let (source, mut waiter, forwarder) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    source.arm(pid, TOKEN).unwrap();
    forwarder.notify_child(pid.as_raw(), libc::CLD_EXITED, 7);
    let mut reports = Vec::new();
    source.look_at_hinted(&mut waiter, &mut reports);
    assert_eq!(reports, []);
    let Some(Known::Unreported(candidate)) = source.table().known(TOKEN) else {
        panic!("it lives");
    };
    let hinted = HintedStatus::SeenAliveSince(7 << 8);
    assert_eq!(candidate.hinted_status, hinted);
    let_die(&mut child);
    child.wait().unwrap();
}

/// As after a restore from a checkpoint, which gives all processes new start times.
#[test]
fn a_child_that_was_armed_before_this_process_was_started_is_alive() {
    let (source, mut waiter, _forwarder) = source();
    let mut child = cat();
    insert(&source, &child, Ticks::from_raw(0));
    assert_eq!(sweep(&source, &mut waiter, true), []);
    let_die(&mut child);
    child.wait().unwrap();
}

#[test]
fn a_zombies_next_process_is_told_from_it_by_its_start() {
    let (source, _waiter, _forwarder) = source();
    let mut child = cat();
    let_die(&mut child);
    source.arm(Pid::from(&child), TOKEN).unwrap();
    let Some(Known::Reported { armed_at, .. }) = source.table().known(TOKEN) else {
        panic!("it was dead");
    };
    assert_ne!(armed_at, Ticks::NEVER);
    assert!(!source.is_reaped(TOKEN));
    child.wait().unwrap();
}

#[test]
fn a_heartbeat_finds_a_pid_that_is_another_childs_by_now() {
    let (source, mut waiter, _forwarder) = source();
    let (before, mut child) = late_cat();
    insert(&source, &child, before);
    assert_eq!(sweep(&source, &mut waiter, false), []);
    let token = TOKEN;
    let expected = Report::new(token, None);
    assert_eq!(sweep(&source, &mut waiter, true), [expected]);
    let_die(&mut child);
    child.wait().unwrap();
}

#[test]
fn a_wait_lasts_until_there_is_something_to_report() {
    let (source, mut waiter, _forwarder) = source();
    let (before, mut child) = late_cat();
    insert(&source, &child, before);
    let mut reports = Vec::new();
    // By a heartbeat.
    source.wait(&mut waiter, &mut reports).unwrap();
    assert_eq!(reports.len(), 1);
    let_die(&mut child);
    child.wait().unwrap();
}

/// Only heartbeats compare starts. Each wait ends with the report of another child.
#[test]
fn reports_that_keep_coming_postpone_no_heartbeat() {
    /// If no heartbeat has come after this time, the test fails.
    const PATIENCE: Duration = Duration::from_secs(30);
    let (source, mut waiter, _forwarder) = source();
    let (before, mut child) = late_cat();
    insert(&source, &child, before);
    let mut zombie = cat();
    let_die(&mut zombie);
    let start = clock::monotonic();
    let mut reports = Vec::new();
    for generation in 1.. {
        let other = Token::from_parts(1, generation);
        source.arm(Pid::from(&zombie), other).unwrap();
        source.wait(&mut waiter, &mut reports).unwrap();
        source.disarm(other);
        if reports.iter().any(|report| report.token == TOKEN) {
            break;
        }
        assert!(!reports.is_empty(), "the other child is reported");
        assert!(
            clock::monotonic() - start < PATIENCE,
            "no heartbeat comes in {generation} waits"
        );
        reports.clear();
    }
    for child in [&mut child, &mut zombie] {
        let_die(child);
        child.wait().unwrap();
    }
}

/// Only heartbeats compare starts. Signals keep coming, and each causes a sweep.
#[test]
fn signals_that_keep_coming_postpone_no_heartbeat() {
    /// After this time the test ends the wait by hand.
    const PATIENCE: Duration = Duration::from_secs(30);
    let (source, mut waiter, forwarder) = source();
    let (before, mut child) = late_cat();
    insert(&source, &child, before);
    let is_over = AtomicBool::new(false);
    let mut reports = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let start = clock::monotonic();
            while !is_over.load(Ordering::SeqCst) {
                forwarder.notify();
                if clock::monotonic() - start > PATIENCE {
                    source.wake().unwrap();
                }
                thread::yield_now();
            }
        });
        let ended = source.wait(&mut waiter, &mut reports);
        is_over.store(true, Ordering::SeqCst);
        ended.unwrap();
    });
    assert_eq!(reports.len(), 1, "no heartbeat comes");
    let_die(&mut child);
    child.wait().unwrap();
}

/// A signal of the pid's former process that is delivered late, after the pid was armed.
#[test]
fn a_late_signal_of_a_former_process_ends_no_living_child() {
    let (source, mut waiter, forwarder) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    source.arm(pid, TOKEN).unwrap();
    forwarder.notify_child(pid.as_raw(), libc::CLD_EXITED, 5);
    let mut reports = Vec::new();
    source.look_at_hinted(&mut waiter, &mut reports);
    assert_eq!(reports, []);
    assert_eq!(sweep(&source, &mut waiter, true), []);
    assert!(!source.is_reaped(TOKEN));
    let_die(&mut child);
    forwarder.notify_child(pid.as_raw(), libc::CLD_EXITED, 0);
    source.look_at_hinted(&mut waiter, &mut reports);
    // The report has the child's own status, or none if it was armed in the tick of its start.
    let [
        Report {
            token: TOKEN,
            status,
            ..
        },
    ] = reports[..]
    else {
        panic!("{reports:?}");
    };
    assert!(status.is_none_or(|status| status.success()), "{status:?}");
    child.wait().unwrap();
}

/// Arms the child at `armed_at`, reported or not. Returns whether it counts as reaped, and whether
/// the watcher's thread can then report it.
fn is_reaped(child: &std::process::Child, armed_at: Ticks, is_reported: bool) -> (bool, bool) {
    let (source, mut waiter, _forwarder) = source();
    insert(&source, child, armed_at);
    if is_reported {
        assert!(source.table().report_ended(TOKEN, ended(0)).is_some());
    }
    let is_reaped = source.is_reaped(TOKEN);
    let mut reports = Vec::new();
    source.look_at_hinted(&mut waiter, &mut reports);
    (is_reaped, !reports.is_empty())
}

#[test]
fn a_pid_is_free_when_its_child_is_another_or_gone_and_that_is_reported_once() {
    let (before, mut child) = late_cat();
    let after = plus(Ticks::now(), 1);
    let yes_and_reported = (true, true);
    let yes = (true, false);
    let no = (false, false);

    assert_eq!(is_reaped(&child, after, false), no);
    assert_eq!(is_reaped(&child, after, true), yes, "one exits only once");
    assert_eq!(is_reaped(&child, before, false), yes_and_reported);
    assert_eq!(is_reaped(&child, before, true), yes);
    assert_eq!(is_reaped(&child, Ticks::NEVER, false), no, "in doubt");
    let_die(&mut child);
    assert_eq!(is_reaped(&child, after, false), no);
    assert_eq!(is_reaped(&child, after, true), no, "it is the zombie");
    assert_eq!(is_reaped(&child, before, false), yes_and_reported);
    assert_eq!(is_reaped(&child, before, true), yes);
    child.wait().unwrap();
    assert_eq!(is_reaped(&child, after, false), yes_and_reported);
    assert_eq!(is_reaped(&child, after, true), yes);
}

#[test]
fn a_zombie_with_another_status_than_the_reported_one_is_another_process() {
    let (source, _waiter, _forwarder) = source();
    let mut child = cat();
    let_die(&mut child);
    insert(&source, &child, Ticks::NEVER);
    assert!(source.table().report_ended(TOKEN, ended(9)).is_some());
    assert!(source.is_reaped(TOKEN));
    child.wait().unwrap();
}

/// Another process may have the pid, started in the same tick or not.
#[test]
fn what_was_reported_as_gone_had_been_reaped() {
    let (source, _waiter, _forwarder) = source();
    let mut child = cat();
    insert(&source, &child, plus(Ticks::now(), 1));
    assert!(!source.is_reaped(TOKEN));
    assert!(source.table().report_gone(TOKEN).is_some());
    assert!(source.is_reaped(TOKEN));
    let_die(&mut child);
    assert!(source.is_reaped(TOKEN));
    child.wait().unwrap();
}

/// The child is reaped after it has become a candidate, and before the look.
#[test]
fn a_child_that_is_reaped_meanwhile_has_the_status_that_its_signal_brought() {
    let (source, mut waiter, forwarder) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    insert(&source, &child, Ticks::now());
    waiter.candidates.extend(source.table().candidate(TOKEN));
    let_die(&mut child);
    forwarder.notify_child(pid.as_raw(), libc::CLD_EXITED, 5);
    child.wait().unwrap();
    let mut reports = Vec::new();
    source.look_at_candidates(&mut waiter, &mut reports, |_| false);
    let (token, status) = (TOKEN, status(5 << 8));
    assert_eq!(reports, [Report::new(token, status)]);
}

/// The watcher's thread has not taken the hint in yet.
#[test]
fn a_callers_look_at_a_reaped_child_has_the_status_that_its_signal_brought() {
    let (source, _waiter, forwarder) = source();
    let mut child = cat();
    insert(&source, &child, Ticks::now());
    let_die(&mut child);
    forwarder.notify_child(Pid::from(&child).as_raw(), libc::CLD_EXITED, 5);
    child.wait().unwrap();
    let (token, status) = (TOKEN, status(5 << 8));
    assert_eq!(source.look(token), Some(Report::new(token, status)));
}

#[test]
fn no_signal_is_sent_to_a_younger_child_that_has_the_pid_now() {
    let (source, _waiter, _forwarder) = source();
    let (before, mut child) = late_cat();
    insert(&source, &child, before);
    let sent = source.send_signal(Pid::from(&child), TOKEN, libc::SIGKILL);
    let_die(&mut child);
    let ended = child.wait().unwrap();
    if source.kernel.prove_proc().is_some() {
        let is_refused = matches!(sent, Err(WatchError::NoSuchProcess { .. }));
        assert!(is_refused, "{sent:?}");
        assert!(ended.success());
    }
}

/// The look finds the zombie of the pid's next child. Its signal cannot have come before that of the
/// first child.
#[test]
fn a_zombie_is_not_believed_against_a_signal_that_came_before_the_look() {
    let (source, mut waiter, forwarder) = source();
    let (before, mut child) = late_cat();
    insert(&source, &child, before);
    waiter.candidates.extend(source.table().candidate(TOKEN));
    forwarder.notify_child(Pid::from(&child).as_raw(), libc::CLD_EXITED, 5);
    let_die(&mut child);
    let mut reports = Vec::new();
    source.look_at_candidates(&mut waiter, &mut reports, |_| false);
    let (token, status) = (TOKEN, status(5 << 8));
    assert_eq!(reports, [Report::new(token, status)]);
    child.wait().unwrap();
}

#[test]
fn where_waitid_walks_over_all_a_sweep_finds_zombies_and_passes_over_the_living() {
    let (mut source, mut waiter, _forwarder) = source();
    source.asks_proc_first = true;
    let mut child = cat();
    insert(&source, &child, Ticks::now());
    assert_eq!(sweep(&source, &mut waiter, false), []);
    let_die(&mut child);
    assert_eq!(sweep(&source, &mut waiter, false), [success()]);
    child.wait().unwrap();
}

#[test]
fn with_the_last_child_disarmed_signals_pass_by_and_the_thread_is_woken() {
    let (source, _waiter, _forwarder) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    let other = Token::from_parts(1, 0);
    source.arm(pid, TOKEN).unwrap();
    source.arm(pid, other).unwrap();
    source.disarm(TOKEN);
    assert!(source.is_reaped(TOKEN), "it is not armed");
    assert!(source.signals.is_open());
    let seen = source.signals.event_count.count();
    source.disarm(other);
    assert!(!source.signals.is_open());
    assert_ne!(source.signals.event_count.count(), seen);
    let_die(&mut child);
    child.wait().unwrap();
}

/// A sweep may take a share of the time since the last wait ended, and no more.
#[test]
fn the_time_of_callbacks_begins_where_a_wait_ends() {
    let (source, mut waiter, _forwarder) = source();
    waiter.returned_at = Duration::ZERO;
    let before = clock::monotonic();
    source.wake().unwrap();
    source.wait(&mut waiter, &mut Vec::new()).unwrap();
    assert!(waiter.returned_at >= before);
}

/// A callback that is due without a report may end the process too.
#[test]
fn after_a_waking_alone_a_delivery_is_awaited() {
    let looks: [fn(&SigchldSource, &mut SigchldWaiter); 2] = [
        |source, waiter| source.wait(waiter, &mut Vec::new()).unwrap(),
        |source, waiter| _ = source.look_now(waiter, &mut Vec::new()),
    ];
    for look in looks {
        let (source, mut waiter, _forwarder) = source();
        source.signals.begin_delivery();
        source.wake().unwrap();
        look(&source, &mut waiter);
        assert_eq!(source.signals.given_up(), 1);
    }
}

/// A sandbox may refuse the one change and permit the next.
#[test]
fn a_change_of_the_mask_that_was_refused_is_tried_again() {
    let (_source, mut waiter, _forwarder) = source();
    let mut tries = Vec::new();
    for is_refused in [true, false, false] {
        waiter.let_signal_through(true, |is_blocked| {
            tries.push(is_blocked);
            if is_refused {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(())
        });
    }
    assert_eq!(tries, [false, false]);
}

/// Another process may have got the child's pid meanwhile. If this process traces it, `waitid`
/// answers for it as for a child. Here its start gives rise to no doubt.
#[test]
fn a_process_that_is_only_traced_gets_no_signal() {
    let script = "exec 3<&0; cat <&3 >/dev/null & echo $!; wait";
    let mut shell = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = shell.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let raw: i32 = line.trim().parse().unwrap();
    let pid = Pid::try_from(raw).unwrap();
    // The tracing ends with its thread.
    let sent = thread::spawn(move || {
        // SAFETY: takes plain values.
        if unsafe { libc::ptrace(libc::PTRACE_SEIZE, raw, 0, 0) } != 0 {
            return None; // It is not allowed here.
        }
        assert_eq!(child::look(pid, Detail::Status), State::NotYet);
        let (source, _waiter, _forwarder) = source();
        let mut table = source.table();
        table.insert(pid, TOKEN, source.signals.epoch());
        drop(table);
        Some(source.send_signal(pid, TOKEN, 0))
    });
    let sent = sent.join().unwrap();
    drop(shell.stdin.take());
    shell.wait().unwrap();
    assert!(
        matches!(sent, None | Some(Err(WatchError::NoSuchProcess { .. }))),
        "{sent:?}"
    );
}

#[test]
fn a_waking_ends_one_wait() {
    let (source, mut waiter, _forwarder) = source();
    let seen = source.signals.event_count.count();
    source.wake().unwrap();
    assert_ne!(source.signals.event_count.count(), seen);
    let mut reports = Vec::new();
    source.wait(&mut waiter, &mut reports).unwrap();
    assert_eq!(reports, []);
    assert!(!source.is_woken.load(Ordering::SeqCst));
}
