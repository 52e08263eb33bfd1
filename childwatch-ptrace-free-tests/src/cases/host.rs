//! C18: the program around the watcher goes on as it did without.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher};
use rustix::io::Errno;

use crate::backend::stage::Stage;
use crate::kit::child::End;
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::receive::{self, ChildSignals};
use crate::kit::sys::signals::{self, SigchldAction};
use crate::kit::sys::{death, threads};

/// The times in the life of a watcher at which a program looks.
const WITHOUT: &str = "without a watcher";
const IDLE: &str = "with an idle watcher";
const WATCHING: &str = "while it watches";
const GIVEN_BACK: &str = "after its last child";
const DROPPED: &str = "after it was dropped";

/// Lets a program do its job without a watcher, with an idle one, after its last child and
/// after its end.
fn at_rest(stage: &Stage<'_>, mut job: impl FnMut(&str)) {
    job(WITHOUT);
    let watcher = stage.watcher();
    job(IDLE);
    watch_one(stage, &*watcher);
    // The watcher's thread blocks the signal again after it has reported the last child.
    deadline::until("no thread takes the program's signals", || {
        receive::threads_that_let_through(libc::SIGCHLD).is_empty()
    });
    job(GIVEN_BACK);
    drop(watcher);
    job(DROPPED);
}

/// A child lives and dies watched. What it leaves pending is the job's to take.
fn watch_one(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    child.die(End::Code(0));
    probe.ran_once();
    child.reap();
}

/// A signal that is there is taken at once. If somebody else has taken it, it never comes.
const A_MOMENT: Duration = Duration::from_secs(2);

pub(super) fn a_signalfd_reader_hears_of_every_exit(stage: &Stage<'_>) {
    signals::block_sigchld();
    let signals = ChildSignals::open();
    at_rest(stage, |when| {
        while signals.receive(Duration::ZERO).is_some() {}
        for _ in 0..50 {
            let child = stage.child();
            child.die(End::Code(0));
            drop(child);
            assert!(
                signals.receive(A_MOMENT).is_some(),
                "{when}: a signal is missing"
            );
        }
    });
}

pub(super) fn a_sigwait_loop_hears_of_every_exit(stage: &Stage<'_>) {
    signals::block_sigchld();
    at_rest(stage, |when| {
        while receive::take_child_signal(Duration::ZERO).is_some() {}
        for _ in 0..50 {
            let child = stage.child();
            child.die(End::Code(0));
            drop(child);
            assert!(
                receive::take_child_signal(A_MOMENT).is_some(),
                "{when}: a signal is missing"
            );
        }
    });
}

/// Once the program knows of the last exit, the next signal is its own.
pub(super) fn no_signal_is_taken_once_the_last_exit_is_told(stage: &Stage<'_>) {
    signals::block_sigchld();
    let watcher = stage.watcher();
    for _ in 0..100 {
        watch_one(stage, &*watcher);
        while receive::take_child_signal(Duration::ZERO).is_some() {}
        let unwatched = stage.child();
        unwatched.die(End::Code(0));
        drop(unwatched);
        assert!(
            receive::take_child_signal(A_MOMENT).is_some(),
            "a signal is missing"
        );
    }
}

/// A program waits for the signal, and so takes it from a watcher that listens to it. The
/// watcher still reports each exit.
pub(super) fn a_program_that_takes_the_signals_keeps_no_exit_back(stage: &Stage<'_>) {
    signals::block_sigchld();
    let signals = ChildSignals::open();
    let watcher = stage.watcher();
    for _ in 0..3 {
        let mut child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.let_go(End::Code(4));
        deadline::until("the exit is told", || {
            signals.receive(Duration::ZERO);
            receive::take_child_signal(Duration::from_millis(1));
            probe.runs() > 0
        });
        assert_eq!(probe.ran_once().status(), child.reap());
    }
}

/// With a default action and the signal blocked, a `signalfd` also reports stops.
pub(super) fn a_signalfd_reader_hears_of_every_stop(stage: &Stage<'_>) {
    signals::block_sigchld();
    let signals = ChildSignals::open();
    at_rest(stage, |when| {
        let child = stage.child();
        while signals.receive(Duration::ZERO).is_some() {}
        for _ in 0..20 {
            death::stop(child.pid());
            let is_received = signals.receive(A_MOMENT).is_some();
            assert!(is_received, "{when}: the signal of a stop is missing");
            death::continue_(child.pid());
            let is_received = signals.receive(A_MOMENT).is_some();
            assert!(is_received, "{when}: the signal of its end is missing");
        }
    });
}

/// A handler without `SA_RESTART` interrupts a `read`, and blocks another signal meanwhile.
pub(super) fn a_handlers_flags_and_mask_are_kept(stage: &Stage<'_>) {
    let _found = SigchldAction::interrupting(libc::SIGUSR1);
    let (_, flags) = signals::sigchld_disposition();
    let mask = signals::sigchld_mask();
    let (pipe, writer) = rustix::pipe::pipe().unwrap();
    let job = |when: &str| {
        let (_, now) = signals::sigchld_disposition();
        // It may get a siginfo, which it does not ask for.
        assert_eq!(now | libc::SA_SIGINFO, flags | libc::SA_SIGINFO, "{when}");
        assert_eq!(signals::sigchld_mask(), mask, "{when}");
        assert_interrupted(stage, &pipe, &writer, when);
    };
    job(WITHOUT);
    let watcher = stage.watcher();
    job(IDLE);
    watch_one(stage, &*watcher);
    job(GIVEN_BACK);
    let watched = stage.child();
    watcher.register_pid(watched.pid()).unwrap();
    job(WATCHING);
    watcher.unregister_pid(watched.pid());
    drop(watcher);
    job(DROPPED);
}

/// A child exits while this thread reads an empty pipe.
fn assert_interrupted(stage: &Stage<'_>, pipe: &OwnedFd, writer: &OwnedFd, when: &str) {
    let reading = threads::thread_id();
    let has_returned = AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        scope.spawn(|| {
            // The signal is the reading thread's.
            signals::block_sigchld();
            // The first may come before the read.
            for _ in 0..20 {
                deadline::until("the reader waits", || threads::is_asleep(reading));
                stage.child().die(End::Code(0));
                if deadline::holds_within(A_MOMENT / 10, || has_returned.load(Ordering::SeqCst)) {
                    return;
                }
            }
            rustix::io::write(writer, &[0]).unwrap();
        });
        let read = receive::read_once(pipe);
        has_returned.store(true, Ordering::SeqCst);
        read
    });
    let interrupted = read.err().and_then(|error| error.raw_os_error());
    let expected = Some(Errno::INTR.raw_os_error());
    assert_eq!(interrupted, expected, "{when}: the read is not interrupted");
}

/// A process that cannot be watched is no reason to install anything.
pub(super) fn a_refused_process_touches_no_handler(stage: &Stage<'_>) {
    let before = (signals::dispositions(), signals::sigchld_mask());
    let watcher = stage.watcher();
    let own = Pid::try_from(std::process::id()).unwrap();
    let nobody = {
        let mut child = stage.child();
        child.die(End::Code(0));
        child.reap();
        child.pid()
    };
    for pid in [own, nobody] {
        assert!(watcher.register_pid(pid).is_err());
        assert!(watcher.try_wait(pid).is_err());
    }
    let now = (signals::dispositions(), signals::sigchld_mask());
    assert_eq!(now, before, "handlers have changed for a refused process");
}

/// A watcher without a child has installed nothing.
pub(super) fn an_idle_watcher_touches_no_handler(stage: &Stage<'_>) {
    let before = (signals::dispositions(), signals::sigchld_mask());
    let watcher = stage.watcher();
    let now = || (signals::dispositions(), signals::sigchld_mask());
    assert_eq!(now(), before, "{IDLE}");
    drop(watcher);
    assert_eq!(now(), before, "{DROPPED}");
}
