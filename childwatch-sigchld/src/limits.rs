//! What a program may notice of this backend, and where it differs from others. This module is
//! documentation alone.
//!
//! # What your program must know
//!
//! Each of these is an exception to clause C18 of [`PidWatcher`]'s contract: the program
//! notices the watcher.
//!
//! | what the program does | what it notices | the way around |
//! |---|---|---|
//! | It reads `SIGCHLD` by `signalfd` or `sigwaitinfo`, blocked on all threads. | While a child is watched, signals go to the watcher's thread and not to the program. | [`with_forwarder`](SigchldWatcher::with_forwarder) |
//! | The same, and a thread unregisters the last child. | The watcher's thread may take a signal in the microseconds after that. | The same |
//! | The same, and a thread waits in `sigwaitinfo` when the signal comes. | The program gets the signal. The watcher reports the exit by its heartbeat, at most about a second later. | [`with_forwarder`](SigchldWatcher::with_forwarder) |
//! | Its watcher is [driven](SigchldWatcher::driven), and it blocks `SIGCHLD` on all threads. | The program gets its signals. The watcher reports exits by its heartbeat, at most about a second late. | [`driven_with_forwarder`](SigchldWatcher::driven_with_forwarder) |
//! | It had a handler of `SIGCHLD`, and blocks the signal on all threads for a while, as `system` does. | Meanwhile exits are reported by the heartbeat, at most about a second late. | Use `childwatch-pidfd`. |
//! | The same, but it installed its handler after the first child was watched. | While a child is watched, that handler may run on the watcher's thread. So `system` may lose its status to a handler that reaps. A sleep in `sigsuspend`, `pselect` or `ppoll` may not end. | Install the handler before that, or [`with_forwarder`](SigchldWatcher::with_forwarder). |
//! | It had no handler of `SIGCHLD`. | `poll`, `select`, `epoll_wait`, `nanosleep`, `sigtimedwait`, `sem_timedwait`, a `futex` wait with a timeout, calls on a socket with `SO_RCVTIMEO` or `SO_SNDTIMEO`, `pause`, `sleep`, `semop`, `msgsnd`, `msgrcv`, `io_getevents` and `io_uring_enter` return early when a child exits, most with `EINTR`, with `SA_RESTART` too (signal(7)). Some calls of file systems and drivers do the same. The same when a child stops. | Block `SIGCHLD` on the threads concerned, or repeat the call. std and rustix's `retry_on_intr` repeat it. |
//! | The same, and it transfers much in one call. | A blocking `write`, `writev`, `send` or `sendfile` to a pipe or socket, a `sendmmsg`, a `recv` with `MSG_WAITALL`, a `recvmmsg`, a `read` from a terminal with `VMIN`, a `read` of `/dev/urandom` or `/dev/zero`, a `getrandom` of more than 256 bytes, and a `copy_file_range` between files may return a part of the size when a child exits or stops, with `SA_RESTART` too. The rest of the data is lost if the program takes the call for a whole one. A `close` of a socket with `SO_LINGER` returns before the time is over, and without an error. | Block `SIGCHLD` on the threads concerned, or repeat the call for the rest, as std's `write_all` and `read_exact` do. |
//! | Its handler of `SIGCHLD` starts a process, or executes a program. | The signals 32 and 33, which the C library keeps to itself, are blocked there. If an action of signal-hook does so, and there was no other handler of `SIGCHLD` when the first child was watched, all signals but the synchronous ones are, also SIGTERM. | Set the mask between fork and exec, or let the handler only wake a loop. |
//! | Its handler was installed with `SA_RESETHAND`. | The handler is called for every signal, not only for the first. | Let the handler ignore the others. |
//! | It, or another library, sets another handler, or removes signal-hook's actions. | Exits are reported by the heartbeat, at most about a second late. The watcher does not undo the change. (If another thread sets a handler in the microseconds in which the first child is watched, its flags and its mask may be those for no handler.) If the other handler calls the one that it found with the number of the signal alone, as `signal` suggests, that takes garbage for the other arguments. signal-hook ends the program by SIGABRT if the second is null. | Call the handler that was found, with all three arguments (`SA_SIGINFO`). |
//! | It resets `SIGCHLD` to its default action or ignores it, as servers do in their workers. | The same for a watcher that has watched a child before. While the signal is ignored, the kernel reaps the children, and those exits have no status. A watcher that watches its first child after that installs a handler again. It calls neither the handler that the program had nor signal-hook's actions. | In a copy: make the copy's watchers after the reset. |
//! | Its handler calls the handler that it found, and it installs its handler again after ours. | The two handlers call each other until the stack ends: the next `SIGCHLD` crashes the program. | [`with_forwarder`](SigchldWatcher::with_forwarder), or install the handler once. |
//! | It had no handler of `SIGCHLD`, and calls [`std::process::exit`] on another thread than its first, for example in a callback. | Rust's std (up to 1.95 at least) unmaps the first thread's alternate signal stack before it runs exit handlers. A child that exits in the microseconds around that may end the program by SIGSEGV. If it watches its first child in an exit handler, any exit after that may. (The exit that a callback reports is a danger only if the first thread loses its processor in the last instructions of the handler, or for more than a second in the handler: the callback waits for the rest.) | Exit on the first thread, or block `SIGCHLD` there. |
//! | It had no handler of `SIGCHLD`, and a thread has an alternate stack for signals that is smaller than `sysconf(_SC_MINSIGSTKSZ)` and a kilobyte. `MINSIGSTKSZ` is: it is 2 KiB, and with AVX-512 a signal's frame is 3.3 KiB. | A `SIGCHLD` on that thread ends the program by SIGSEGV, or overwrites memory below the stack. | Make the stack larger, or block `SIGCHLD` on that thread. |
//! | It had no handler of `SIGCHLD`, and a thread has no alternate stack for signals, and its own stack is nearly full, as that of a coroutine may be. | The same: a signal's frame and the handler take some kilobytes, with AVX-512 about 4. | Give the thread an alternate stack, or block `SIGCHLD` on that thread. |
//! | It had no handler of `SIGCHLD`, and a thread suspends a handler of its own that runs on an alternate stack, and goes on elsewhere (`swapcontext`), as runtimes with light threads do. | The kernel takes the alternate stack for free. A `SIGCHLD` on that thread overwrites the suspended frame. | Set `SS_AUTODISARM`, or block `SIGCHLD` on that thread. |
//! | It had no handler of `SIGCHLD`, and the system calls of a thread are trapped or forbidden: by `PR_SET_SYSCALL_USER_DISPATCH`, as in Wine, by a filter of that thread, or by seccomp's strict mode. | A `SIGCHLD` on that thread calls `futex` and `rt_sigreturn` there (with a driven watcher `getpid` and `epoll_ctl` too). The trap's handler gets calls that the guest has not made. If the call kills the thread, the exit is reported by the heartbeat, at most about a second late. | Block `SIGCHLD` on that thread. |
//! | It had no handler of `SIGCHLD`, and a thread runs with another thread pointer (on x86-64, the base of FS) than the C library's, as emulators do in guest code. | A `SIGCHLD` on that thread reads and writes `errno` through the wrong pointer. That may end the program by SIGSEGV. | Block `SIGCHLD` on that thread. |
//! | A thread is in `vfork` with `SIGCHLD` unblocked when a child exits. | The kernel may give the signal to this thread, which does not run. Until the vforked child executes a program, the exit is reported by the heartbeat, at most about a second late. The signal is pending meanwhile, so that the callback waits for [half a second](childwatch_core::guide::limits) more. | Block `SIGCHLD` around `vfork`, as the C library's `posix_spawn` does. |
//! | It ignored `SIGCHLD`. | A child that exits in the microseconds in which the handler is installed stays a zombie. Programs that it executes find `SIGCHLD` at its default action, and not ignored. | Watch the first child before others run. Set the signal between fork and exec. |
//! | The thread that makes the watcher has a large timer slack (`PR_SET_TIMERSLACK`). | Reports that wait for the heartbeat come later by up to that slack. | Make the watcher on a thread with little slack, or use a [driven](SigchldWatcher::driven) watcher, whose timer has none. |
//! | It closes all descriptors, or relies on which number is free. | The watcher's thread opens files in `/proc` for some microseconds, about once a second. If the program closes such a descriptor, the watcher may close the next file with its number. | Drop the watcher first, or use close-on-exec. |
//! | It installs a seccomp filter that kills. | The watcher's thread calls `futex`, `waitid`, `clock_gettime`, `rt_sigprocmask`, `rt_sigpending`, `rt_sigaction`, `getpid`, `sched_yield`, `clock_nanosleep`, and opens and reads `/proc` (`openat`, `statx`, `read`, `close`). Registering calls `setpgid`, `kill` and `rt_sigaction` too. A thread that is interrupted calls `futex` and `rt_sigreturn` in the handler. A wait with a timeout may go on by `restart_syscall`. The [allocator](childwatch_core::guide::limits) makes calls of its own. A driven watcher calls `epoll_create1`, `eventfd2`, `timerfd_create`, `timerfd_settime`, `epoll_ctl`, `epoll_wait` (or `epoll_pwait`), `poll` (or `ppoll`, or `pselect6` at a limit of 0 open files) and `getpid` too, and `epoll_ctl` and `getpid` in the handler. Sending a signal calls `pidfd_open`, `pidfd_send_signal` and `kill`. Dropping the watcher calls `getpid`, `kill` with signal 0 and `sched_yield`, and its thread ends by `sigaltstack`, `munmap`, `madvise` and `exit`. A wait for another thread sleeps after its first looks (`clock_nanosleep`, rarely). | Allow these calls. If they are refused with an error, nothing worse than late exits happens. |
//! | It has a handler without `SA_RESTART`, and runs in a sandbox that answers system calls by seccomp's notifications. | A signal may end any call with `EINTR`. Registering may fail, and an exit may be reported by the heartbeat. | Set `SA_RESTART`, or block the signal on the threads that call the watcher or drive it. |
//! | QEMU's user mode runs it (seen with 7.2 for x86-64). | QEMU lets a handler begin on a stack whose alignment is 8 bytes off. If the compiler has made an instruction in the handler that needs the alignment, a `SIGCHLD` ends the program by SIGSEGV. The tests have met none in the code of today. | Use `childwatch-pidfd`, which has no handler. |
//! | A thread is stopped or killed in the handler, by a debugger or a filter of system calls. | The next callbacks wait for the handler once, for little more than a second. A [driven](SigchldWatcher::driven) watcher waits so long in the program's loop. | Use `childwatch-pidfd`. |
//! | It unloads a shared library that contains this crate (`dlclose`). | The handler's code is gone: the next `SIGCHLD` crashes the program. | Do not unload it; `RTLD_NODELETE` prevents that. |
//! | It forks while another thread runs any handler of signal-hook, or registers one. | A call of signal-hook in the copy may wait for ever: one of the program's own, or this crate's first. This crate calls signal-hook once in the life of a process and its copies. A copy forked during that call gets an error after one second. | Watch the first child before other threads fork. Register with signal-hook before that too. |
//! | It forks a copy that makes a watcher of its own and forks the next copy, and so on. | Each generation adds 4 KiB of memory, and some nanoseconds for each signal. | Execute the program anew now and then. |
//! | It ends threads by `pthread_cancel`, and has installed a handler later that calls ours. | With glibc, a thread that is cancelled while ours runs ends the program, because a Rust function for C cannot be unwound. (Our handler alone keeps the cancellation until it has returned.) | Install the handler before the first child is watched, or block `SIGCHLD` on the threads that are cancelled. |
//! | It leaves a handler by `siglongjmp` while ours runs below it. | signal-hook and this crate are left in the middle of their work: hints may stop. | Do not jump out of handlers. |
//! | It is restored from a checkpoint (CRIU). | All processes have new start times. For children registered before, a reused pid is noticed only when its process ends. | Register anew after a restore. |
//!
//! What holds for every backend is in [`childwatch_core::guide::limits`].
//!
//! # Where this backend differs
//!
//! - Only children can be watched. Other processes are refused with
//!   [`NotAChild`](WatchError::NotAChild), also a process that this one traces.
//! - **Lateness.**
//!
//!   | the exit | is reported |
//!   |---|---|
//!   | its signal names it | at once |
//!   | its signal was merged into another | by a sweep over all watched children: at once after a pause, and otherwise when 20 times the processor time of the last sweep has passed (0.02 to 0.07 s with 4,000 children) |
//!   | no signal came | by the heartbeat: a sweep every second, or less often so that its looks at living children take 0.1 % of a core (with more than about 1,000 children; every 1 to 4 s with 4,000) |
//!
//!   Signals do not postpone the heartbeat. Callbacks do, because exits are reported between
//!   callbacks. A sweep gets at least a twentieth of their time.
//! - **A child that another part of the program has reaped.** Its status is known if its own
//!   signal brought the status. A signal is lost if several children exit within
//!   microseconds, or if more than 256 exit while one callback runs. Then the status is
//!   `None`.
//!   Its [resource usage](Exit::resource_usage) is `None` in any case, because a signal carries none.
//! - **A reused pid.** The watcher reports the old process as follows:
//!
//!   | reuse of the pid | the old process is reported |
//!   |---|---|
//!   | proven by `/proc`, and the signal of the old process was not merged | at once |
//!   | proven by `/proc`, and the signal was merged or lost | within a heartbeat or two, if at most 16 children are watched; a heartbeat compares the starts of 16 children, and they take turns |
//!   | not proven | when the new process ends, with the status from its own signal, or `None` (see below for two exits before one look); until then the new process cannot be registered |
//!
//!   The proof needs a `/proc` of the program's own pid namespace, and a file descriptor to
//!   read it. The new process must have started in a later tick (10 ms) than that in which
//!   the old one was registered. [`probe`] returns what `/proc` is.
//! - **Signals to a child.** [`send_signal`](PidWatcher::send_signal) opens a pidfd for the time of
//!   the call, and then looks whether the child still has its pid. So the signal reaches this child
//!   or no process, with two exceptions:
//!   - No pidfd can be opened: an old kernel, a sandbox, or no file descriptor is left. The signal
//!     goes to the pid, after the same look. If another part of the program reaps the child between
//!     the look and the signal, and the pid is reused in these microseconds, the signal reaches
//!     another process. If the kernel itself reaps children, the call returns
//!     [`Unsupported`](WatchError::Unsupported) instead.
//!   - The pid was reused by another child of this program, and that is not proven (see above).
//! - **A container's first process that calls `reboot`** ends by SIGHUP or SIGINT, and its signal says
//!   that it has exited with 0 (C6). If it is reaped before the watcher looks, its status is 0. If
//!   it was registered in the tick of its start, it is reported without a status.
//! - **A forged signal.** If a program queues `SIGCHLD` by hand as the kernel would send it (`CLD_EXITED` and
//!   the pid of a child), nothing is reported for that. When the child exits, it may be reported without a
//!   status.
//! - **A late signal.** If `SIGCHLD` is blocked on all threads, or forwarded late, the signal
//!   of a pid's former process may come when the pid is registered again. If the new child
//!   is reaped before the watcher looks, it may be reported with the status of the former
//!   process. If the new child was registered in the tick of its start, it may be reported
//!   without a status.
//! - **Two exits before one look.** A child is reaped, its signal was merged, and its pid is
//!   reused by a child that ends before the watcher looks. Then the status of the second
//!   child is reported for the first, because no signal brought that of the first.
//! - **A process whose first thread ended before the others.** Before Linux 6.18, and for a
//!   traced child on every kernel, its signal carries the status of that thread. If such a
//!   process was registered in the tick of its start, it is reported without a status.

#[cfg(doc)]
use childwatch_core::{Exit, PidWatcher, WatchError};

#[cfg(doc)]
use crate::probe::probe;
#[cfg(doc)]
use crate::watcher::SigchldWatcher;
