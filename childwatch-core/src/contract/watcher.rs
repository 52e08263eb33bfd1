//! [`PidWatcher`]: the trait, and the contract that every backend keeps.

use std::fmt::Debug;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::contract::callback::{ExitCallback, Unregistered, WatchHandle};
use crate::contract::canceller::Canceller;
use crate::contract::delegate::delegate_pid_watcher;
use crate::contract::error::{WatchError, not_offered};
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;

/// Tells, once and reliably, that a process has exited, without reaping it.
///
/// The trait is object-safe. Code that supervises processes takes a `&dyn PidWatcher`, and the
/// backend is chosen where the code is deployed.
/// [`PidWatcherExt`](crate::PidWatcherExt) has the conveniences.
///
/// # Contract
///
/// A watcher keeps these clauses. The conformance suite holds every backend to them, and each of
/// its cases names the clause that it proves.
///
/// A watcher has a thread of its own, or a loop of the program drives it: a
/// [`DrivenWatcher`](crate::DrivenWatcher) with its [`Driver`](crate::Driver). The clauses hold
/// for both. *The driving thread* is the watcher's own thread, or the thread that is inside
/// [`drive`](crate::Driver::drive). If the two kinds differ, the clause says so.
///
/// | about | clauses |
/// |---|---|
/// | registering | C1 register, C2 refuse, C13 identity, C19 pidfds |
/// | callbacks | C3 once, C4 where, C5 late, C6 truth, C7 no reaping, C10 re-entry, C11 panics, C14 only exit, C21 reapings |
/// | unregistering and the end | C8 `unregister_pid`, C9 `unregister_callback`, C12 drop |
/// | acting on a process | C20 signals |
/// | the process around it | C15 fork, C16 footprint, C17 concurrency, C18 host |
///
/// - **\[C1\] register.** The process may be alive or a zombie. After `Ok` its exit cannot be
///   missed. `try_wait` returns an exit that the watcher knows, or that one look at the process
///   finds. So it finds every process that is a zombie at the call. It registers nothing.
/// - **\[C2\] refuse.** A refused call leaves nothing behind: no file descriptor, no entry, no
///   changed state. A refused callback has been dropped when the call returns. The
///   [`WatchError`] tells these causes apart:
///
///   | cause | error |
///   |---|---|
///   | no process has this pid, or it is a thread's id | [`NoSuchProcess`](WatchError::NoSuchProcess) |
///   | the process is the caller's own | [`OwnProcess`](WatchError::OwnProcess) |
///   | the process is not a child, and the backend needs that | [`NotAChild`](WatchError::NotAChild) |
///   | the pid is registered, and its process has not been reaped | [`AlreadyRegistered`](WatchError::AlreadyRegistered) |
///   | a callback is added to a pid without a `register_pid` in force | [`NotRegistered`](WatchError::NotRegistered) |
///   | the file descriptor is no pidfd, or its process cannot be registered by it | [`UnusablePidfd`](WatchError::UnusablePidfd) |
///   | there are no file descriptors, memory or threads left | [`ResourceLimit`](WatchError::ResourceLimit) |
///   | the kernel or a sandbox does not offer what the backend needs, or the backend does not offer the call | [`Unsupported`](WatchError::Unsupported) |
///   | the caller is a forked copy | [`Forked`](WatchError::Forked) |
///   | the watcher has ended: a half of a driven watcher was dropped, or a source has panicked | [`Stopped`](WatchError::Stopped) |
///   | the kernel answers anything else | [`Os`](WatchError::Os) |
/// - **\[C3\] once.** A callback runs exactly once, after the exit and never before it.
/// - **\[C4\] where.** Callbacks run on the driving thread, one at a time, with no lock of the
///   watcher held. The closure and its captures are never dropped under a lock either.
///   - *Order.* The callbacks of one process run in the order of their registration. Callbacks of
///     different processes may run in any order: the exit that came first may be reported last,
///     and later by any time.
///   - *Signal mask.* While a callback runs, the watcher's own thread has the signal mask of the
///     thread that created the watcher. So a process or thread that is started there has an ordinary mask. A
///     callback that changes the mask restores it before it returns. If it panics instead, the
///     watcher restores the mask. A driver changes no mask, also not after a panic: callbacks run
///     with that of the thread that drives.
///   - *A pending `SIGCHLD`.* If this mask lets `SIGCHLD` through and the signal is pending, the
///     watcher's own thread first waits until another thread has taken it. If none does so for half a
///     second, because all others block the signal or do not run, it stays blocked during the
///     callbacks that are due. After such a wait the next one is half as long, down to 10 ms, until the signal
///     is taken in time again. Another signal, or one that comes during a callback, may be taken there,
///     also if every other thread has blocked it since the watcher was made.
///   - *Between callbacks* the watcher's own thread blocks all signals except SIGSEGV, SIGBUS, SIGFPE, SIGILL,
///     SIGTRAP and SIGSYS. No thread of the library ever blocks these six. (If the creator of the
///     watcher blocks them, they are blocked during callbacks.)
/// - **\[C5\] late.** A callback that is registered after the exit, and before `unregister_pid`,
///   is due at once, on the driving thread.
/// - **\[C6\] truth.** [`Exit`](crate::Exit) has the code, or the signal and core-dump flag,
///   whenever the kernel can still tell them to this backend. From Linux 6.15 on, a pidfd also
///   tells the status of every child that the kernel or another part of the program has reaped.
///   Otherwise the status is `None`, and never an invented 0. The kernel itself errs in two cases.
///   Before Linux 5.17, until the child is reaped: if the first thread of a process ended before the
///   others, the kernel shows the code of that thread. And if the first process of a pid
///   namespace calls `reboot`, its parent gets SIGHUP or SIGINT from `wait`, and everybody else 0: the
///   signal `SIGCHLD`, and a pidfd after the reaping (seen with 6.18).
///   A watcher may be created to ask for the [`ResourceUsage`](crate::ResourceUsage) of children. It
///   then returns the usage of each child that has not been reaped when it looks, if the kernel
///   tells it. Otherwise the usage is `None`, and never an invented zero. It may lack the last steps of
///   the exit.
/// - **\[C7\] no reaping.** No child's status or resource usage is consumed, whether the child is watched or not.
///   Inside the callback, `waitpid(pid, WNOHANG)` by the program returns the child, unless the
///   program or the kernel has reaped it before. A child that a tracer holds is not waitable yet:
///   its callback waits, without spinning.
/// - **\[C8\] `unregister_pid`.** The call is idempotent, and does nothing for an unknown pid. No
///   further callbacks are accepted. Those already registered still run. When the last one is
///   gone, every resource of that pid is gone.
/// - **\[C9\] `unregister_callback`.** The answer says what has become of the callback:
///
///   | answer | meaning |
///   |---|---|
///   | [`WillNotRun`](Unregistered::WillNotRun) | The callback will never run. Its captures have been dropped. |
///   | [`HasRun`](Unregistered::HasRun) | The callback has returned, and its captures have been dropped. Its effects happen-before the return of this call. |
///   | [`IsRunning`](Unregistered::IsRunning) | The call came from inside that callback. It returns at once. |
///   | [`NotPending`](Unregistered::NotPending) | The call found nothing to remove, and the watcher does not claim that the callback ran. |
///
///   If the callback is running, and the call comes from elsewhere, the call waits until the
///   callback has returned. Between two calls of [`drive`](crate::Driver::drive) no callback is
///   running: the call takes out a callback that is due, and waits for nothing.
///   `NotPending` is the answer to a second cancellation, to a handle of
///   another watcher, and for a callback that `Drop` has removed. It may also be the answer for a
///   callback that ran long ago.
/// - **\[C10\] re-entry.** Every method may be called from a callback, and from the `Drop` of a
///   captured value. The watcher itself may be dropped there too.
/// - **\[C11\] panics.** A panicking callback is reported by the panic hook. It harms no other
///   callback, no later call, and not the watcher's `Drop`. Nothing of its registration is left
///   behind, and the payload of the panic is dropped once. The same holds if the `Drop` of a
///   captured value panics, or that of a payload. If a captured value is dropped on a caller's
///   thread, its panic goes on to the caller when the registration has been given back. (If a
///   source that is not of this project panics, the watcher ends: see
///   [`Stopped`](WatchError::Stopped).)
/// - **\[C12\] drop.** After `Drop` has returned, no callback runs or will run. The captures have
///   been dropped, the file descriptors closed, and the thread joined. So `Drop` waits for a
///   callback that is running, as C9 does. If a callback drops its own watcher, the thread ends
///   after that callback, and runs no other.
///
///   A driven watcher ends when it or its driver is dropped, whichever comes first. From then on a
///   call that needs the driver, and [`drive`](crate::Driver::drive), returns
///   [`Stopped`](WatchError::Stopped). The first drop gives back what the watched processes hold,
///   and the second closes the watcher's own descriptors. Nothing else that a program can hold, such as an
///   [`Exited`](crate::Exited), keeps a file descriptor or a thread of the watcher beyond that.
/// - **\[C13\] identity.** A registration means a process, not a pid. If the pid is reused, nothing
///   of the old process fires for the new one. The new process can be registered while callbacks
///   of the old one are pending. Registering it, by its pid or its pidfd, ends the registration
///   of the old process as `unregister_pid` does. Until then, `register_callback`,
///   `unregister_pid`, `try_wait`, `pidfd` and `send_signal` of the pid mean the old process. Doubt never becomes an exit:
///   a process that `waitid` shows alive is not reported, unless there is proof that its pid now
///   belongs to another process.
/// - **\[C14\] only exit.** Nothing fires when a process stops, continues, or executes a program on
///   any of its threads. Nothing fires when one thread exits while others live, also if it is the
///   first thread. A `SIGCHLD` that was sent by hand fires nothing either.
/// - **\[C15\] fork.** In a forked copy of the process, every call returns
///   [`Forked`](WatchError::Forked) or does nothing; `unregister_callback` returns
///   [`NotPending`](Unregistered::NotPending), and `stats` returns `None`. `Drop` returns at once and drops no captures. The
///   parent's watcher is unharmed. This holds too for a copy that is forked inside a callback and
///   returns from it: that copy runs no further callback, makes no system call on the parent's
///   epoll instance, and its only thread ends. (In a copy of a driving program that thread is the
///   program's: [`drive`](crate::Driver::drive) returns [`Forked`](WatchError::Forked), and the
///   thread goes on.) A copy that the `Drop` of a captured value makes while the watcher ends drops
///   no other callback. (A copy that is made while a thread is being
///   started may be unable to start threads, and so watchers, because std holds a lock then.) A copy
///   that is made by the system call `clone` when the watcher is there may call what is
///   async-signal-safe, such as the C library's `setuid`.
/// - **\[C16\] footprint.** Every file descriptor is close-on-exec. No file descriptor, thread or
///   memory is left over after any number of cycles.
/// - **\[C17\] concurrency.** A watcher is `Send + Sync`. No call waits for a callback, except those
///   of C9 and C12.
/// - **\[C18\] host.** A program with a watcher behaves as it did without one: while the watcher is
///   idle, while it watches, and after it is dropped. This holds for signals, handlers, masks,
///   signalfd and sigwait loops, file descriptors, children and sandboxes. Each exception is listed
///   in the documentation of the backend, with what the program notices and how to avoid it.
/// - **\[C19\] pidfds.** A watcher offers these calls, or each of them returns
///   [`Unsupported`](WatchError::Unsupported).
///   - `register_pidfd` and `watch_pidfd` register the process that the pidfd means, and no other
///     process that has its pid. Nothing else distinguishes such a registration. The process may
///     be alive or a zombie, and need not be a child. So a watcher of children only does not offer
///     the calls, also if it uses pidfds itself.
///   - The pidfd stays the caller's, whether the call succeeds or not. The watcher keeps a
///     duplicate until the registration ends. It changes neither the flags of the file nor those of
///     the caller's number.
///   - `pidfd` returns a duplicate of the pidfd of the registered process, also after the process
///     has been reaped. The duplicate is the caller's, is close-on-exec, and has no number of a
///     standard stream. What the caller does with it, and how long the caller keeps it, changes
///     nothing for the watcher.
/// - **\[C20\] signals.** `send_signal` sends a signal to the process that is registered under the
///   pid, and never to another process that has the pid. Or the watcher does not offer the call,
///   which then returns [`Unsupported`](WatchError::Unsupported).
///
///   | the registered process | answer |
///   |---|---|
///   | is alive | `Ok`: the kernel has the signal |
///   | is a zombie | `Ok`, and nothing happens, as with `kill` |
///   | has been reaped | [`NoSuchProcess`](WatchError::NoSuchProcess), and no process gets the signal |
///
///   The signal 0 is not sent: it only asks for this answer. If there is no such signal, or this
///   process must not send it, the call returns [`Os`](WatchError::Os) with `EINVAL` or `EPERM`.
///   (A watcher without pidfds knows a process by its pid and by its start. The documentation of
///   the backend says what this leaves open.)
/// - **\[C21\] reapings.** A watcher may be made to tell that a process has been *reaped*. It keeps
///   every clause with "has been reaped" in place of "has exited": callbacks do not run for a
///   zombie, and `try_wait` does not find it. Any process may reap it. The status is the true one,
///   or `None` where the kernel does not return it. A backend that cannot tell reapings has no such
///   watcher, or refuses to make it with [`Unsupported`](WatchError::Unsupported).
///
/// # What waits for what
///
/// | call | waits for |
/// |---|---|
/// | dropping a watcher | the callback that is running, for as long as that takes, and then for the end of the thread (C12). A callback that is due is dropped, and does not run |
/// | dropping a driven watcher or its driver | the callback that is running on another thread |
/// | [`unregister_callback`](Self::unregister_callback), dropping a [`WatchGuard`](crate::WatchGuard) | this one callback, if it is running (C9) |
/// | dropping an [`Exited`](crate::Exited) or an [`ExitSet`](crate::ExitSet) | no callback and no waker of the program |
/// | the same calls, on the driving thread inside a callback | no callback |
/// | every other call | no callback (C17) |
///
/// Within one watcher, no calls can wait in a circle. With two watchers they can: if a callback of
/// each unregisters the other's running callback, both wait for ever, like two threads that join
/// each other.
///
/// # Where the panic of a callback goes
///
/// To the panic hook, which prints it by default (C11). The driving thread goes on with the next
/// callback. No call returns the panic: not the watcher's `Drop`, and not
/// [`drive`](crate::Driver::drive). A program that has to know catches the panic in the callback, by
/// [`catch_unwind`](std::panic::catch_unwind), and sends the result. [`stats`](Self::stats) counts
/// the panics. With `panic = "abort"` the
/// program ends.
///
/// # Examples
///
/// Supervising code against the trait alone, with the
/// [simulated watcher](crate::SimulatedWatcher) in the place of a real one:
///
/// ```
/// use std::process::ExitStatus;
/// use std::os::unix::process::ExitStatusExt;
/// use std::sync::mpsc;
/// use childwatch_core::{Pid, PidWatcher, SimulatedProcesses, SimulatedWatcher};
///
/// fn supervise(watcher: &dyn PidWatcher, pid: Pid) -> mpsc::Receiver<String> {
///     let (sender, receiver) = mpsc::channel();
///     watcher.register_pid(pid).unwrap();
///     watcher
///         .register_callback(pid, Box::new(move |exit| sender.send(exit.to_string()).unwrap()))
///         .unwrap();
///     watcher.unregister_pid(pid); // the callback stays; the rest goes with it
///     receiver
/// }
///
/// let processes = SimulatedProcesses::new();
/// let watcher = SimulatedWatcher::new(&processes)?;
/// let pid = processes.spawn();
/// let receiver = supervise(&watcher, pid);
/// processes.exit(pid, ExitStatus::from_raw(3 << 8));
/// assert_eq!(receiver.recv()?, format!("process {pid}: exit status: 3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait PidWatcher: Debug + Send + Sync {
    /// Begins to watch a process, until [`unregister_pid`](Self::unregister_pid)
    /// (C1). The exit is kept for callbacks that are registered later (C5).
    ///
    /// # Errors
    ///
    /// Every [`WatchError`] but [`NotRegistered`](WatchError::NotRegistered) (C2).
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError>;

    /// Accepts no further callbacks for the process; those already registered
    /// still run (C8).
    fn unregister_pid(&self, pid: Pid);

    /// Adds a callback to a registered process. If the process has exited, the callback is due
    /// at once (C3, C4, C5).
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](WatchError::NotRegistered) without a `register_pid` in
    /// force; [`Forked`](WatchError::Forked); [`Stopped`](WatchError::Stopped);
    /// [`Os`](WatchError::Os) when the watcher's thread, or its driver, cannot be woken.
    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError>;

    /// Takes a callback out, or waits until it has run (C9). After the answer
    /// [`WillNotRun`](Unregistered::WillNotRun) or [`HasRun`](Unregistered::HasRun), the data that
    /// the callback uses may go.
    ///
    /// # Deadlocks
    ///
    /// The call waits for a running callback. If it takes a callback out, it drops the captures. So do
    /// not hold a lock that the callback takes, or the `Drop` of a captured value.
    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered;

    /// Registers a process and adds a callback in one step. If the process has a registration,
    /// the callback joins it. Otherwise the call makes a registration that ends with its last
    /// callback.
    ///
    /// # Errors
    ///
    /// As [`register_pid`](Self::register_pid) and
    /// [`register_callback`](Self::register_callback), but never
    /// [`AlreadyRegistered`](WatchError::AlreadyRegistered) or
    /// [`NotRegistered`](WatchError::NotRegistered).
    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError>;

    /// Returns the exit of a process if it has exited, without blocking (C1).
    ///
    /// This is [`Child::try_wait`](std::process::Child::try_wait) without reaping. If the
    /// pid is registered, the registration's process is meant. Otherwise the process is
    /// watched for the time of this call, and nothing is left behind.
    ///
    /// The exit may be returned before a callback for it has run.
    ///
    /// # Errors
    ///
    /// As [`watch`](Self::watch). A process that has been reaped and is not registered is
    /// [`NoSuchProcess`](WatchError::NoSuchProcess).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use std::process::ExitStatus;
    /// use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher};
    ///
    /// let processes = SimulatedProcesses::new();
    /// let watcher = SimulatedWatcher::new(&processes)?;
    /// let pid = processes.spawn();
    /// assert_eq!(watcher.try_wait(pid)?, None);
    /// processes.exit(pid, ExitStatus::from_raw(3 << 8));
    /// let exit = watcher.try_wait(pid)?.unwrap();
    /// assert_eq!(exit.status().unwrap().code(), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError>;

    /// Begins to watch the process of a pidfd, as [`register_pid`](Self::register_pid), and returns
    /// its pid (C19). Callbacks are then added by this pid.
    ///
    /// A program learns of a pid, and the pid may be reused before it is registered. (The pid of a
    /// child is safe until the program reaps the child.) A pidfd means one process for ever. It may
    /// come from `clone3`, from another process (`SCM_RIGHTS`), or from a service manager.
    ///
    /// The default is [`Unsupported`](WatchError::Unsupported).
    ///
    /// # Errors
    ///
    /// As [`register_pid`](Self::register_pid), and
    /// [`UnusablePidfd`](WatchError::UnusablePidfd) if the file descriptor is no pidfd, if its
    /// process has been reaped, or if its pid is unknown here.
    fn register_pidfd(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        let _ = pidfd;
        Err(not_offered("pidfds", None))
    }

    /// Registers the process of a pidfd and adds a callback in one step, as
    /// [`watch`](Self::watch) (C19). [`WatchHandle::pid`] is the pid of the process.
    ///
    /// The default is [`Unsupported`](WatchError::Unsupported).
    ///
    /// # Errors
    ///
    /// As [`register_pidfd`](Self::register_pidfd), but never
    /// [`AlreadyRegistered`](WatchError::AlreadyRegistered).
    fn watch_pidfd(
        &self,
        pidfd: BorrowedFd<'_>,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        drop(callback);
        let _ = pidfd;
        Err(not_offered("pidfds", None))
    }

    /// Returns a duplicate of the pidfd of a registered process (C19), for system calls that take
    /// one: `setns`, `process_madvise`, `pidfd_getfd`.
    ///
    /// The pid may have been registered by any call, `watch` too. All duplicates of a pidfd share
    /// the flag `O_NONBLOCK`. The watcher does not depend on this flag.
    ///
    /// The default is [`Unsupported`](WatchError::Unsupported).
    ///
    /// # Errors
    ///
    /// - [`NotRegistered`](WatchError::NotRegistered) if the pid has no registration.
    /// - [`Unsupported`](WatchError::Unsupported) if the process is watched without a pidfd.
    /// - [`ResourceLimit`](WatchError::ResourceLimit) if no file descriptor is left.
    /// - [`Forked`](WatchError::Forked), [`Stopped`](WatchError::Stopped) and
    ///   [`Os`](WatchError::Os).
    fn pidfd(&self, pid: Pid) -> Result<OwnedFd, WatchError> {
        Err(not_offered("pidfds", Some(pid)))
    }

    /// Sends a signal to a registered process (C20). The pid may have been registered by any call,
    /// `watch` too.
    ///
    /// `kill` takes a pid, which may belong to another process as soon as the process has been
    /// reaped. This call cannot reach another process.
    ///
    /// A whole process group is signalled by `killpg`. That is safe until the child that leads the
    /// group is reaped, so also in its callback: the kernel does not reuse its pid before.
    ///
    /// The default is [`Unsupported`](WatchError::Unsupported).
    ///
    /// # Errors
    ///
    /// - [`NotRegistered`](WatchError::NotRegistered) if the pid has no registration.
    /// - [`NoSuchProcess`](WatchError::NoSuchProcess) if the process has been reaped.
    /// - [`Os`](WatchError::Os) with `EINVAL` if there is no such signal, or with `EPERM` if this
    ///   process must not signal that one.
    /// - [`Unsupported`](WatchError::Unsupported) if the watcher cannot send the signal to this
    ///   process and no other.
    /// - [`Forked`](WatchError::Forked) and [`Stopped`](WatchError::Stopped).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use std::process::ExitStatus;
    /// use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher};
    ///
    /// const SIGTERM: i32 = 15;
    ///
    /// let processes = SimulatedProcesses::new();
    /// let watcher = SimulatedWatcher::new(&processes)?;
    /// let pid = processes.spawn();
    /// processes.on_signal(pid, |processes, pid, signal| {
    ///     processes.exit(pid, ExitStatus::from_raw(signal));
    /// });
    ///
    /// watcher.register_pid(pid)?;
    /// watcher.send_signal(pid, SIGTERM)?;
    /// let exit = watcher.try_wait(pid)?.unwrap();
    /// assert_eq!(exit.status().unwrap().signal(), Some(SIGTERM));
    /// assert_eq!(processes.signals(pid), [SIGTERM]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn send_signal(&self, pid: Pid, signal: i32) -> Result<(), WatchError> {
        let _ = signal;
        Err(not_offered("signals", Some(pid)))
    }

    /// Returns what the watcher has counted, for logs and metrics.
    ///
    /// The call waits for nothing. Returns `None` in a forked copy (C15), and if the watcher does
    /// not count. The default is `None`.
    ///
    /// After the end of a driven watcher, the numbers of the source are `None`.
    fn stats(&self) -> Option<WatcherStats> {
        None
    }

    /// Returns a way to unregister callbacks that does not borrow the watcher. The default is
    /// `None`. An [`Exited`](crate::Exited) that is dropped then leaves a callback that does
    /// nothing.
    #[doc(hidden)]
    fn canceller(&self) -> Option<Canceller> {
        None
    }
}

delegate_pid_watcher!(impl[W: PidWatcher + ?Sized] for &W, |this| **this);
delegate_pid_watcher!(impl[W: PidWatcher + ?Sized] for Box<W>, |this| **this);
delegate_pid_watcher!(impl[W: PidWatcher + ?Sized] for Arc<W>, |this| **this);
