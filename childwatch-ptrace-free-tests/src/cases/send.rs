//! C20: signals to registered processes.

use childwatch_core::{Pid, WatchError};
use rustix::io::Errno;

use crate::backend::stage::Stage;
use crate::kit::child::End;
use crate::kit::probe::Probe;
use crate::kit::sys::{limits, signals};
use crate::machine::refusal::{Refusal, refuse_in_process};

#[track_caller]
fn is_gone(sent: Result<(), WatchError>, pid: Pid) {
    assert!(
        matches!(sent, Err(WatchError::NoSuchProcess { pid: named, .. }) if named == pid),
        "{sent:?} for a process that has been reaped"
    );
}

#[track_caller]
fn is_refused(sent: &Result<(), WatchError>, pid: Pid, errno: i32) {
    assert!(
        matches!(sent, Err(WatchError::Os { pid: Some(named), source, .. })
            if *named == pid && source.raw_os_error() == Some(errno)),
        "{sent:?} where errno {errno} is expected"
    );
}

pub(super) fn a_signal_reaches_the_registered_process(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for is_only_watched in [false, true] {
        for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGRTMIN()] {
            let mut child = stage.child();
            let (pid, probe) = (child.pid(), Probe::new());
            let refused = watcher.send_signal(pid, signal);
            assert!(
                matches!(refused, Err(WatchError::NotRegistered { pid: named }) if named == pid),
                "{refused:?}"
            );
            if is_only_watched {
                watcher.watch(pid, probe.callback()).unwrap();
            } else {
                watcher.register_pid(pid).unwrap();
                watcher.register_callback(pid, probe.callback()).unwrap();
            }
            watcher.send_signal(pid, 0).unwrap();
            watcher.send_signal(pid, signal).unwrap();
            let status = probe.ran_once().status().unwrap();
            assert_eq!(End::Signal(signal as u8), End::of(status));
            assert_eq!(child.reap(), Some(status));
            watcher.unregister_pid(pid);
            assert!(watcher.send_signal(pid, signal).is_err());
        }
    }
}

pub(super) fn a_zombie_takes_a_signal_and_a_reaped_process_none(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let (pid, probe) = (child.pid(), Probe::new());
    watcher.register_pid(pid).unwrap();
    watcher.register_callback(pid, probe.callback()).unwrap();
    child.die(End::Code(3));
    let zombie = || {
        for signal in [0, libc::SIGKILL] {
            let sent = watcher.send_signal(pid, signal);
            assert!(sent.is_ok(), "{sent:?} for a zombie");
        }
    };
    zombie();
    let exit = probe.ran_once();
    zombie();
    assert_eq!(exit.status(), child.reap());
    for signal in [0, libc::SIGKILL] {
        is_gone(watcher.send_signal(pid, signal), pid);
    }
}

pub(super) fn no_successor_is_signalled(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for is_told_first in [true, false] {
        let mut old = stage.child();
        let (pid, probe) = (old.pid(), Probe::new());
        watcher.register_pid(pid).unwrap();
        let occupied = (!is_told_first).then(|| stage.occupy(&*watcher));
        watcher.register_callback(pid, probe.callback()).unwrap();
        old.die(End::Code(1));
        if is_told_first {
            probe.ran_once();
        }
        old.reap();
        let mut new = stage.successor(&*old);
        for signal in [0, libc::SIGKILL, libc::SIGTERM] {
            is_gone(watcher.send_signal(pid, signal), pid);
        }
        drop(occupied);
        probe.ran_once();
        let told = Probe::new();
        watcher.watch(pid, told.callback()).unwrap();
        stage.settle(&*watcher);
        assert_eq!(told.runs(), 0, "the successor was signalled");
        watcher.send_signal(pid, libc::SIGTERM).unwrap();
        told.ran_once();
        new.reap();
        watcher.unregister_pid(pid);
    }
}

pub(super) fn a_signal_that_there_is_not_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let pid = child.pid();
    watcher.register_pid(pid).unwrap();
    // Linux has 64 signals.
    for signal in [-1, 65, i32::MAX, i32::MIN] {
        is_refused(&watcher.send_signal(pid, signal), pid, libc::EINVAL);
    }
    // The call works without a free descriptor.
    let few = limits::FewFiles::left(0);
    let sent = watcher.send_signal(pid, 0);
    drop(few);
    assert!(sent.is_ok(), "{sent:?}");
    child.die(End::Code(0));
}

/// The kernel answers so for a process of another user.
pub(super) fn a_signal_that_is_not_permitted_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let pid = child.pid();
    watcher.register_pid(pid).unwrap();
    let calls = [libc::SYS_pidfd_send_signal, libc::SYS_kill];
    refuse_in_process(&calls.map(|call| Refusal::of(call, Errno::PERM))).unwrap();
    let sent = watcher.send_signal(pid, libc::SIGTERM);
    // `kill` is refused here too, so the child must end by itself.
    child.die(End::Code(0));
    is_refused(&sent, pid, libc::EPERM);
}

/// A child is signalled by its pid, unless the kernel may reap it at any time.
pub(super) fn a_child_is_signalled_without_pidfds(stage: &Stage<'_>) {
    refuse_in_process(&[Refusal::of(libc::SYS_pidfd_open, Errno::NOSYS)]).unwrap();
    let watcher = stage.watcher();
    let (mut child, other) = (stage.child(), stage.child());
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    watcher.register_pid(other.pid()).unwrap();
    watcher.send_signal(child.pid(), libc::SIGTERM).unwrap();
    assert_eq!(probe.ran_once().status(), child.reap());
    signals::change_sigchld_flags(|flags| flags | libc::SA_NOCLDWAIT);
    let refused = watcher.send_signal(other.pid(), libc::SIGTERM);
    assert!(
        matches!(refused, Err(WatchError::Unsupported { pid: Some(pid), .. }) if pid == other.pid()),
        "{refused:?}"
    );
    signals::change_sigchld_flags(|flags| flags & !libc::SA_NOCLDWAIT);
    other.die(End::Code(0));
}
