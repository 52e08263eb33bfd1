//! Ends a spawned child whose registration was refused, and no other process.
//!
//! By the time of the refusal the child may have exited and been reaped. The kernel reaps children
//! itself if `SIGCHLD` is ignored or has `SA_NOCLDWAIT`. Another thread may reap any child. The
//! child's pid may then belong to another process. So:
//!
//! 1. The child is signalled through a pidfd, if there is one. A pidfd means one process
//!    for ever. That process is ours if the kernel lets this process wait for it, and if
//!    it did not start after `spawn` returned.
//! 2. Without a pidfd the child is signalled by its pid, but only if the kernel keeps
//!    zombies for this process. The pid is then the child's until somebody waits for it.
//! 3. Otherwise the child is left alone.

#![expect(unsafe_code, reason = "`sigaction`, only read")]

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::process::Child;
use std::ptr;
use std::str;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, pidfd_send_signal,
    waitid,
};

use crate::platform::clock::Ticks;

/// A spawned child, until it is registered.
#[derive(Debug)]
pub(crate) struct SpawnedChild {
    child: Child,
    /// The moment when `spawn` had returned. The child did not start later.
    spawned: Ticks,
}

impl SpawnedChild {
    /// To be called as soon as the child has been spawned.
    pub(crate) fn new(child: Child) -> Self {
        SpawnedChild {
            child,
            spawned: Ticks::now(),
        }
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// The child, which has been registered.
    pub(crate) fn into_child(self) -> Child {
        self.child
    }

    /// Kills and reaps the child, if the process is certainly the child.
    pub(crate) fn kill_and_reap(self) {
        let raw = i32::try_from(self.child.id()).ok();
        if let Some(pid) = raw.and_then(Pid::from_raw) {
            end(pid, self.spawned);
        }
    }
}

fn end(pid: Pid, spawned: Ticks) {
    let keeps_zombies = kernel_keeps_zombies();
    let is_old_enough = || match started(pid) {
        Some(started) if spawned != Ticks::NEVER => started <= spawned,
        _ => keeps_zombies,
    };
    if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) {
        let by_pidfd = WaitId::PidFd(pidfd.as_fd());
        let is_old_enough = is_old_enough();
        // Asked after `started` has read `/proc` by the pid. So the pid still belonged to this
        // process when it was read.
        match check_is_child(by_pidfd.clone()) {
            Ok(()) if !is_old_enough => return,
            Ok(()) if pidfd_send_signal(&pidfd, Signal::KILL).is_ok() => return reap(by_pidfd),
            // The signal is not allowed.
            Ok(()) => {}
            Err(Errno::CHILD) => return,
            // `waitid` takes no pidfd (before Linux 5.4).
            Err(_) => {}
        }
    }
    let is_it = keeps_zombies && is_old_enough() && check_is_child(WaitId::Pid(pid)).is_ok();
    // A child of another user, such as a setuid program, is not killed, so there is no wait.
    if is_it && kill_process(pid, Signal::KILL).is_ok() {
        reap(WaitId::Pid(pid));
    }
}

/// `ECHILD` if the process is no child of this one, or has been reaped.
fn check_is_child(process: WaitId<'_>) -> Result<(), Errno> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    waitid(process, options).map(drop)
}

/// Waits until a child that ends is gone. `ECHILD`: another thread has reaped it, or the kernel,
/// because `SIGCHLD` is ignored.
pub(crate) fn reap(process: WaitId<'_>) {
    while let Err(Errno::INTR) = waitid(process.clone(), WaitIdOptions::EXITED) {}
}

/// Returns `false` if the kernel reaps the children of this process as they exit, or if
/// that is unknown.
fn kernel_keeps_zombies() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only reads, into memory that lives across the call.
    let answer = unsafe { libc::sigaction(libc::SIGCHLD, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeros is a valid `sigaction`, and the call has written another at most.
    let action = unsafe { action.assume_init() };
    answer == 0 && action.sa_sigaction != libc::SIG_IGN && action.sa_flags & libc::SA_NOCLDWAIT == 0
}

/// Returns when a process started, or `None` if `/proc` does not show it.
fn started(pid: Pid) -> Option<Ticks> {
    // Bytes, because a process's name need not be UTF-8.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields = str::from_utf8(&stat[after_name..]).ok()?;
    // The 22nd field, of which the first two end with the name.
    let started = fields.split_ascii_whitespace().nth(22 - 3)?;
    started.parse().ok().map(Ticks::from_raw)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::platform::refusing::on_a_thread_without;

    fn number(child: &Child) -> Pid {
        Pid::from_child(child)
    }

    fn cat() -> Child {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn a_child_that_lives_or_is_a_zombie_is_ended() {
        let lives = cat();
        let pid = number(&lives);
        SpawnedChild::new(lives).kill_and_reap();
        assert_eq!(check_is_child(WaitId::Pid(pid)), Err(Errno::CHILD));

        let zombie = Command::new("true").spawn().unwrap();
        let pid = number(&zombie);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), options).unwrap();
        SpawnedChild::new(zombie).kill_and_reap();
        assert_eq!(check_is_child(WaitId::Pid(pid)), Err(Errno::CHILD));
    }

    #[test]
    fn zombies_are_not_known_to_be_kept_where_the_question_is_refused() {
        assert!(kernel_keeps_zombies());
        let refused = on_a_thread_without(libc::SYS_rt_sigaction, kernel_keeps_zombies);
        assert_ne!(refused, Some(true));
    }

    #[test]
    fn a_child_that_started_after_the_spawn_is_another() {
        let mut successor = cat();
        let pid = number(&successor);
        // Without `/proc`, a child is trusted if no other thread can have reaped it.
        if let Some(started) = started(pid) {
            end(pid, Ticks::from_raw(started.as_raw() - 1));
            assert_eq!(successor.try_wait().unwrap(), None);
        }
        end(pid, Ticks::now());
        assert!(successor.wait().is_err(), "it has been reaped");
    }

    /// The thread that has started the child waits for its status.
    #[test]
    fn another_child_that_is_a_zombie_keeps_its_status() {
        let mut successor = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pid = number(&successor);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), options).unwrap();
        if let Some(started) = started(pid) {
            end(pid, Ticks::from_raw(started.as_raw() - 1));
        }
        assert_eq!(successor.wait().unwrap().code(), Some(7));
    }

    /// A start that is read from the wrong field could let another process be killed.
    #[test]
    fn a_start_is_found_behind_any_name() {
        let directory = std::env::temp_dir().join(format!("childwatch-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let named = directory.join("a) S 1 (b");
        let _ = fs::remove_file(&named);
        let cat = ["/bin/cat", "/usr/bin/cat"]
            .into_iter()
            .find(|cat| fs::exists(cat).unwrap());
        symlink(cat.unwrap(), &named).unwrap();
        let before = Ticks::now();
        let mut child = Command::new(&named)
            .arg0("cat")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let after = Ticks::now();
        let shown = started(number(&child));
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(&directory).unwrap();
        if let Some(started) = shown {
            assert!(before <= started && started <= after, "{started:?}");
        }
    }

    #[test]
    fn the_clock_and_proc_count_in_one_unit() {
        let before = Ticks::now();
        let mut child = cat();
        let after = Ticks::now();
        if let Some(started) = started(number(&child)) {
            assert!(before <= started && started <= after, "{started:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
