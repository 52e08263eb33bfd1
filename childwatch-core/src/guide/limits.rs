//! What a program must know of every watcher, with the ways around. Backends add points of their
//! own: see the documentation of `childwatch-pidfd` and `childwatch-sigchld`.
//!
//! A watcher has a thread, and callbacks run on it. Most of the points have this cause: the kernel and
//! the C library treat a process with a second thread differently, and some properties that look
//! like the process's belong to a thread. Those that we know are below. If your program must have one thread,
//! or must not share what a thread has, [drive](crate::guide::own_loop) the watcher: a
//! [`DrivenWatcher`] has no thread. Its callbacks run on the thread of the program that drives, and have
//! the properties of that thread.
//!
//! - **Never wait for an exit inside a callback.** A callback that blocks on
//!   [`PidWatcherExt::exited`] waits for another callback, which cannot run before this
//!   one returns: it waits for ever. [`PidWatcherExt::wait_timeout`] waits until its time is over,
//!   and then looks once. The same holds for an [`ExitSet`].
//!   *Way around:* register a callback for the next exit, or hand the work to another
//!   thread.
//! - **Dropping a watcher waits for the callback that is running**, and for no other. A callback
//!   that never returns keeps the drop waiting for ever.
//!   [`PidWatcher`](PidWatcher#what-waits-for-what) has a table of what waits for what.
//! - **A callback must not own its own watcher.** An `Arc` of the watcher inside a
//!   callback keeps the watcher alive until that callback has run. If the process never
//!   exits, neither the watcher nor its thread ends. *Way around:* give the callback a
//!   `Weak`.
//! - **`PR_SET_PDEATHSIG` follows the thread.** The kernel sends this signal to a
//!   child when the thread that started the child ends. For a child started in a callback that is
//!   the watcher's thread, which ends when the watcher is dropped. *Way around:* start such
//!   children on a thread that lives as long as they may.
//! - **A callback traces and submits as the watcher's thread.** If a callback begins to trace a
//!   process (`ptrace`), no other thread can control the tracee. When the watcher is dropped, the
//!   tracee is detached, or killed if `PTRACE_O_EXITKILL` is set. If a callback submits a request
//!   to an io_uring, and the watcher is dropped before the request is complete, the kernel cancels
//!   the request (`ECANCELED`). *Way around:* trace and submit on a thread that lives as long as
//!   that takes.
//! - **Children of callbacks inherit from the watcher's thread.** These are its
//!   namespaces, seccomp filters, Landlock rules, `no_new_privs`, capabilities, scheduling
//!   class, niceness and CPU affinity. What else belongs to a thread is inherited too: the session
//!   keyring, the I/O priority and the memory policy. The thread has them from the thread that made the
//!   watcher, as of that time; a later `setns`, `unshare`, `landlock_restrict_self` or
//!   `sched_setaffinity` elsewhere does not reach it. A forked copy that executes no program also
//!   has the thread's name, which `pgrep` and `killall` compare: `childwatch-pid` and not the
//!   program's. *Way around:* make the watcher on a thread that has what the children should have, or
//!   start children on a thread of your own. Give a copy its name by `prctl(PR_SET_NAME)`.
//! - **No new user namespace with a thread running.** The kernel refuses
//!   `unshare(CLONE_NEWUSER)`, and `setns` into a user, mount or time namespace, in a process
//!   with more than one thread (`EINVAL`, `EUSERS`). A watcher is a second thread. *Way
//!   around:* change the namespace before the first watcher is made, after the last one was
//!   dropped, or in the child between fork and exec.
//! - **No change of user that keeps capabilities with a thread running.** `capset` and
//!   `prctl(PR_SET_KEEPCAPS)` reach one thread, and the C library's `setresuid` and `setresgid` change
//!   all threads. If the kernel permits a change on one thread and refuses it on the watcher's, the
//!   program aborts. An example is `setpriv --reuid nobody --clear-groups --regid nogroup`. *Way around:*
//!   make the watcher after the change, or [drive](crate::guide::own_loop) it, which takes no thread.
//! - **glibc takes locks once there has been a thread.** As long as a process has had one
//!   thread only, glibc leaves some locks out. With a watcher it takes them, also after the watcher was
//!   dropped. If a handler of a signal interrupts `fork`, `seteuid` or the allocator, and calls `fork` or
//!   `seteuid` itself, it waits for ever. POSIX allowed `fork` in handlers until 2024. *Way around:* [drive](crate::guide::own_loop) the watcher, block the signal
//!   around these calls, or let the handler only wake a loop.
//! - **Some libraries ask for the number of threads.** The crate `time` 0.3.36 (not 0.3.55) does not tell
//!   the local offset (`current_local_offset`) in a process with a second thread. Python from 3.12 on
//!   warns when such a process forks. *Way around:* ask before the first watcher is made, or
//!   [drive](crate::guide::own_loop) the watcher, which takes no thread.
//! - **A process does not end with the program's last thread.** If the last thread of a program ends by
//!   `pthread_exit` or the system call `exit`, its process ends. The watcher's thread keeps it, and the
//!   parent waits. A process that the C library's `clone` has made ends so when its function
//!   returns, and a process in seccomp's strict mode in any case. If a filter of system calls kills one
//!   thread (`SECCOMP_RET_KILL_THREAD`, libseccomp's `SCMP_ACT_KILL`), or strict mode does, the
//!   process lives on as well. *Way around:* drop the watcher before, end by `exit` or `_exit`, kill the
//!   process (`SECCOMP_RET_KILL_PROCESS`), or [drive](crate::guide::own_loop) the watcher.
//! - **No session keyring from a child with a thread running.** A child such as
//!   `keyctl new_session` gives its parent a new session keyring (`KEYCTL_SESSION_TO_PARENT`). The
//!   kernel refuses that if the parent has more than one thread (`EPERM`). *Way around:* let the
//!   child do it before the first watcher is made or after the last one was dropped, or call
//!   `KEYCTL_JOIN_SESSION_KEYRING` in the program itself.
//! - **A seccomp filter for all threads may be refused.** `SECCOMP_FILTER_FLAG_TSYNC` fails if
//!   another thread has a filter that the caller does not have. The watcher's thread has the
//!   filters of the thread that made the watcher, also when that thread has ended. *Way around:*
//!   make the watcher on a thread that has no filters of its own.
//! - **The watcher's thread keeps what the others leave.** In a process with one thread,
//!   `unshare(CLONE_FILES)` does nothing, and `close_range` with `CLOSE_RANGE_UNSHARE` only closes.
//!   Beside a watcher's thread, the calling thread gets a table of descriptors of its own, and the
//!   watcher's thread keeps the old one until it ends. Files that the program closes from then on
//!   stay open there, so the reader of a pipe may wait for ever. The process's record locks
//!   (`fcntl`) stay there too: an unlock does not end them, and the next lock of the program's own
//!   is refused (`EAGAIN`). In the same way `unshare(CLONE_FS)` and `unshare(CLONE_NEWNS)` leave the
//!   working directory, the root and the umask: a later `chdir`, `chroot` or `umask` does not reach
//!   callbacks. The thread stays in the network namespace that the program leaves, with its
//!   interfaces. It stays in the control group (version 1) if the program moves itself by `tasks`
//!   and not by `cgroup.procs`. *Way around:* make such calls before the first watcher is made, or drop the
//!   watcher before them.
//! - **An exec may lose record locks on old kernels.** Linux 4.15 and 5.4 release the record locks
//!   (`fcntl`) of a process with more than one thread when it executes a program. Those
//!   from 5.10 to 6.18 that were tried keep them. *Way around:* drop the watcher before the exec, or
//!   take locks that belong to the open file (`flock`, `F_OFD_SETLK`).
//! - **No watcher after `unshare(CLONE_NEWPID)`**, or after `setns` into a pid namespace. The kernel
//!   refuses new threads then, so making a watcher fails with
//!   [`Unsupported`](WatchError::Unsupported). *Way around:* make the watcher first. It then watches
//!   the children in the new namespace too.
//! - **Synchronous signals go to the watcher's thread.** This thread never blocks SIGSEGV,
//!   SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS. A program may block such a signal on all of
//!   its threads, and receive it by `sigwaitinfo` or `signalfd`. If another process sends the
//!   signal, the watcher's thread gets it, and the default action ends the program. *Way around:*
//!   install a handler that passes the signal on.
//! - **During a callback the program's handlers may run on the watcher's thread.** That thread
//!   then has the signal mask of the thread that made the watcher. The program takes a pending
//!   `SIGCHLD` before the callback begins (C4). But another child may exit while the callback runs. Its
//!   `SIGCHLD` may be handled on the watcher's thread, if the others block it or get no processor.
//!   - A handler that needs its own thread's data may crash. The handlers of Perl do, if it was built with
//!     threads.
//!   - A program that blocks `SIGCHLD` while it changes what its handler reads loses this
//!     protection. bash then forgets the status of a command: `$?` is 0.
//!   - A handler of `SIGCHLD` that reaps all children may take the status that the C library's
//!     `system` waits for.
//!   - A thread that blocks `SIGCHLD` only after the watcher was made, and then waits for it by
//!     `sigsuspend`, `ppoll`, `sigtimedwait` or a `signalfd`, may wait for ever. `timeout(1)`, sshd
//!     and the `wait` of some shells block it so late.
//!
//!   *Way around:* [drive](crate::guide::own_loop) the watcher, which changes no mask. Or block
//!   `SIGCHLD` on the thread that makes the watcher, while it makes it. A process that is started in a
//!   callback then inherits that. Or keep callbacks short: only send a message.
//! - **A callback may be half a second late** if `SIGCHLD` is pending and no other thread of the
//!   program takes it: the watcher waits for the program (C4). Perhaps all others block it. Or the thread that would
//!   take it is in `vfork`, in a long call on a broken file system, or is held by a debugger. The same happens if
//!   the program sends `SIGCHLD` to the watcher's thread alone (`tgkill`). If the signal stays
//!   pending, later callbacks are less and less late, down to 10 ms. During these callbacks, `SIGCHLD` is
//!   blocked, and a process that is started there inherits that. *Way around:* block `SIGCHLD`
//!   before the watcher is made.
//! - **The watcher's thread answers no other signal.** Some programs signal each of their
//!   threads, for example to collect stacks, and wait for all answers. The watcher's thread
//!   blocks the signal outside callbacks. *Way around:* pass over threads that block the
//!   signal (`SigBlk` in `/proc/self/task/TID/status`), or use one of the six above.
//! - **A callback must return, panic or end the process.** If it ends its thread instead, by
//!   `pthread_exit`, the C library ends the process. Before Python
//!   3.14 a thread that asks for the interpreter's lock while the interpreter ends is ended so.
//!   *Way around:* drop the watcher before that, or only send a message in the callback.
//! - **A callback must not be suspended**, as a coroutine with a stack of its own can be
//!   (`swapcontext`). What then runs on the same thread counts as inside the callback:
//!   [`unregister_callback`](PidWatcher::unregister_callback) answers `IsRunning`, and dropping the
//!   watcher does not wait. *Way around:* only send a message in the callback.
//! - **A watcher takes its part of the process's limits.** It is one thread more for
//!   `RLIMIT_NPROC` and for a control group's `pids.max`. With glibc the thread takes 66 MiB of
//!   address space: 2 MiB for its stack, and 64 MiB that the allocator reserves for each
//!   thread. They count for `RLIMIT_AS`. After `mlockall(MCL_FUTURE)` they count for
//!   `RLIMIT_MEMLOCK` too, and 2 MiB of them are in memory. glibc keeps them for later
//!   threads when the watcher is dropped. [`FallbackWatcher`] has two threads. *Way around:* set
//!   `MALLOC_ARENA_MAX=1`; then 2 MiB are left.
//! - **The watcher's thread allocates and frees memory.** If an allocation fails there, the
//!   program is aborted, as elsewhere in Rust. The thread may also hold a lock of the allocator
//!   when the program forks. The allocators of glibc and musl are prepared for that. With an
//!   allocator that is not, the copy may wait for ever when it allocates. *Way around:* choose an
//!   allocator that handles forks (`pthread_atfork`), or let copies only execute a program. The same
//!   holds for a copy that is made without the C library's `fork`, by the system call `clone`, because
//!   nothing prepares the allocator. Such a copy may wait for ever when it returns from a callback,
//!   because the callback is freed then.
//! - **The allocator makes other system calls when there is a second thread.** With glibc, each
//!   thread has a heap of its own. To change its size, glibc calls `mmap`, `munmap`, `mprotect`
//!   and `madvise`. The first thread that makes such a heap smaller may be one of the program's. It
//!   opens and reads `/proc/sys/vm/overcommit_memory`. A filter of system calls that kills must
//!   allow these calls. *Way around:* allow `openat`, `read` and `close`, or set
//!   `MALLOC_ARENA_MAX=1`.
//! - **No watcher on a thread of the class `SCHED_DEADLINE`.** The kernel lets such a thread
//!   start no other, so making a watcher fails with
//!   [`ResourceLimit`](WatchError::ResourceLimit). *Way around:* make the watcher on another
//!   thread, or set `SCHED_FLAG_RESET_ON_FORK`.
//! - **Timer slack makes waits longer.** A program that saves power may tell the kernel that its
//!   waits may end late (`PR_SET_TIMERSLACK`, systemd's `TimerSlackNSec=`). The watcher's thread has
//!   the slack of the thread that made the watcher. Each of its waits with a timeout may end later
//!   by as much. Exits that the kernel announces are reported at once. Dropping a watcher may take
//!   longer, by about the slack of the thread that drops it. *Way around:* make and drop the watcher
//!   on a thread with little slack. Children of callbacks inherit that slack.
//! - **Do not wait for a watcher in a constructor of a shared library.** With glibc, each thread of
//!   Rust's std takes the dynamic loader's lock when it begins, and `dlopen` holds this lock while it
//!   runs the constructors of a library. So a watcher that a constructor makes reports nothing
//!   until `dlopen` returns, and making it takes a tenth of a second. If the constructor drops the watcher, or waits for an exit without a
//!   timeout, it waits for ever. *Way around:* drop and wait after `dlopen` has returned, or drive
//!   the watcher in the constructor.
//! - **Do not unload a plugin that has a watcher.** The watcher's thread runs the
//!   plugin's code. *Way around:* drop every watcher, outside of callbacks, before
//!   `dlclose`; or link the plugin with `-z nodelete`. A plugin that has had a watcher
//!   over `SIGCHLD` must never be unloaded, because the signal handler stays.
//! - **Libraries that fake the time** (libfaketime) do not reach the clocks of a watcher.
//!   They do reach the timeout of [`PidWatcherExt::wait_timeout`], which is std's.
//! - **ThreadSanitizer needs a standard library that is built with it** (`-Zbuild-std`).
//!   Otherwise the sanitizer does not see the locks, and reports races that are none. A
//!   forked copy that starts threads also needs `TSAN_OPTIONS=die_after_fork=0`.

#[cfg(doc)]
use crate::contract::error::WatchError;
#[cfg(doc)]
use crate::contract::watcher::PidWatcher;
#[cfg(doc)]
use crate::engine::driven::DrivenWatcher;
#[cfg(doc)]
use crate::wait::exit_set::ExitSet;
#[cfg(doc)]
use crate::wait::ext::PidWatcherExt;
#[cfg(doc)]
use crate::watchers::fallback::FallbackWatcher;
