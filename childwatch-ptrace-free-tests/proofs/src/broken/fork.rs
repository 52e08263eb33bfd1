//! C15: watchers that do harm in a forked copy of the process, or after it.

#![expect(
    unsafe_code,
    reason = "`fork_watchable` with a fault, and a page that may be wiped"
)]

use std::convert::Infallible;
use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::catch_unwind;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;

use childwatch_core::source::{ExitSource, Report, ThreadedWatcher, Token};
use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};
use childwatch_pidfd::PidfdSource;
use rustix::event::{Timespec, epoll};
use rustix::process::{PidfdFlags, pidfd_open};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds};
use super::watcher::{Shared, WatcherFault, with};
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::C15;
use childwatch_ptrace_free_tests::Feature;
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::birth;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "unhooks-the-parent",
        fault: "A call in a copy takes the parent's processes out of the shared epoll.",
        breaks: Rule::Clause(C15),
        watcher: unhooks_the_parent,
        fails: &[
            (
                "every_call_in_a_copy_answers_forked",
                InVain("the callback ran 0 times"),
            ),
            (
                "drop_in_a_copy_returns_at_once",
                InVain("the callback ran 0 times"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "starts-a-thread-at-last",
        fault: "A thread of its own may not have begun when the watcher is returned.",
        breaks: Rule::Clause(C15),
        watcher: || {
            let watcher = Pidfd.watcher();
            thread::spawn(|| {});
            watcher
        },
        fails: &[(
            "a_raw_copy_may_change_its_user_at_once",
            InVain("the copy waits for ever"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "lives-on-in-a-copy",
        fault: "Its thread goes on in a copy that a callback has made.",
        breaks: Rule::Clause(C15),
        watcher: with::<LivesOnInACopy>,
        fails: &[(
            "a_copy_made_in_a_callback_ends_when_that_returns",
            InVain("the copy lives on"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "obliges-a-copy",
        fault: "In a copy `register_pid` says Ok, and watches nothing.",
        breaks: Rule::Clause(C15),
        watcher: with::<ObligesACopy>,
        fails: &[(
            "every_call_in_a_copy_answers_forked",
            Saying("every call: the copy's exit status: 1"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "believes-madvise",
        fault: "It knows a copy by a page that the kernel wipes there, and does not see whether \
                the kernel will.",
        breaks: Rule::Clause(C15),
        watcher: with::<BelievesMadvise>,
        fails: &[(
            "a_copy_is_known_where_advice_is_ignored",
            Saying("every call: the copy's exit status: 1"),
        )],
        passes: &["every_call_in_a_copy_answers_forked"],
        ..ON_PIDFDS
    },
    Broken {
        name: "goes-by-the-pid",
        fault: "It takes every process with its own pid for itself, in any namespace.",
        breaks: Rule::Clause(C15),
        watcher: with::<GoesByThePid>,
        fails: &[(
            "a_copy_with_the_same_pid_is_known",
            Saying("the second process 1: the copy's exit status: 1"),
        )],
        passes: &["every_call_in_a_copy_answers_forked"],
        ..ON_PIDFDS
    },
    Broken {
        name: "drops-captures-in-a-copy",
        fault: "The drop of a copy's watcher drops what callbacks captured, which the parent's \
                will drop too.",
        breaks: Rule::Clause(C15),
        watcher: with::<DropsCapturesInACopy>,
        fails: &[(
            "drop_in_a_copy_returns_at_once",
            Saying("drop: the copy's exit status: 1"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "one-process-for-ever",
        fault: "The process that made the first watcher is the only one that may make more.",
        breaks: Rule::Clause(C15),
        watcher: one_process_for_ever,
        fails: &[(
            "a_copy_may_make_a_watcher_of_its_own",
            Saying("a watcher of its own: the copy's"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "closes-without-deleting",
        fault: "A pidfd is closed and not taken out of epoll, whose events come on while a copy \
                holds it.",
        breaks: Rule::Clause(C15),
        watcher: over_pidfds::<ClosesWithoutDeleting>,
        fails: &[(
            "a_copy_that_holds_the_fds_makes_no_stale_event",
            Saying("the watcher's thread spins"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "leaves-a-refused-child",
        fault: "A forked child whose registration is refused lives on.",
        breaks: Rule::Clause(C15),
        claims: &ForksCarelessly,
        fails: &[(
            "a_forked_child_is_registered_before_it_runs",
            Saying("!death::has_children()"),
        )],
        ..ON_PIDFDS
    },
];

/// It has a process's number to compare, and acts on it in the wrong way.
#[derive(Debug)]
struct UnhooksTheParent {
    watcher: ThreadedWatcher<Good<PidfdSource>>,
    made_in: u32,
}

fn unhooks_the_parent() -> Result<Box<dyn PidWatcher>, WatchError> {
    childwatch_pidfd::probe().check()?;
    let (source, waiter) = PidfdSource::new()?;
    Ok(Box::new(UnhooksTheParent {
        watcher: ThreadedWatcher::start(Good::new(source), waiter)?,
        made_in: std::process::id(),
    }))
}

impl UnhooksTheParent {
    fn clean_up_in_a_copy(&self) {
        if std::process::id() != self.made_in {
            let source = self.watcher.source();
            for (token, _) in source.armed() {
                source.disarm(token);
            }
        }
    }
}

impl PidWatcher for UnhooksTheParent {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        self.watcher.register_pid(pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        self.clean_up_in_a_copy();
        self.watcher.unregister_pid(pid);
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        self.watcher.try_wait(pid)
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.watcher.register_callback(pid, callback)
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.watcher.unregister_callback(handle)
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.watcher.watch(pid, callback)
    }
}

impl Drop for UnhooksTheParent {
    fn drop(&mut self) {
        self.clean_up_in_a_copy();
    }
}

#[derive(Debug, Default)]
struct ObligesACopy;

impl WatcherFault for ObligesACopy {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        match good.register_pid(pid) {
            Err(WatchError::Forked) => Ok(()),
            truth => truth,
        }
    }
}

/// Where the page says so it is the watcher's process, whatever the good watcher says.
#[derive(Debug)]
struct BelievesMadvise {
    page: usize,
}

impl Default for BelievesMadvise {
    fn default() -> Self {
        // SAFETY: a new private mapping, which is never unmapped; advice about it; a write
        // to its first byte.
        let page = unsafe {
            let page = libc::mmap(
                ptr::null_mut(),
                1,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(page, libc::MAP_FAILED, "a page");
            libc::madvise(page, 1, libc::MADV_WIPEONFORK);
            page.cast::<u8>().write(1);
            page
        };
        BelievesMadvise {
            page: page.expose_provenance(),
        }
    }
}

impl WatcherFault for BelievesMadvise {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        // SAFETY: the page stays mapped and readable.
        let is_wiped =
            unsafe { ptr::with_exposed_provenance::<u8>(self.page).read_volatile() } == 0;
        match good.register_pid(pid) {
            Err(WatchError::Forked) if !is_wiped => Ok(()),
            truth => truth,
        }
    }
}

#[derive(Debug)]
struct GoesByThePid {
    made_in: u32,
}

impl Default for GoesByThePid {
    fn default() -> Self {
        GoesByThePid {
            made_in: std::process::id(),
        }
    }
}

impl WatcherFault for GoesByThePid {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        match good.register_pid(pid) {
            Err(WatchError::Forked) if std::process::id() == self.made_in => Ok(()),
            truth => truth,
        }
    }
}

#[derive(Debug, Default)]
struct DropsCapturesInACopy {
    callbacks: Mutex<Vec<Weak<Shared>>>,
}

impl WatcherFault for DropsCapturesInACopy {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let shared = Shared::new(callback);
        let mut callbacks = lock(&self.callbacks);
        callbacks.retain(|callback| callback.strong_count() > 0);
        callbacks.push(Arc::downgrade(&shared));
        shared.callback()
    }

    fn end(&self, good: Box<dyn PidWatcher>) {
        drop(good);
        let callbacks = mem::take(&mut *lock(&self.callbacks));
        for callback in callbacks.iter().filter_map(Weak::upgrade) {
            drop(callback.take());
        }
    }
}

fn one_process_for_ever() -> Result<Box<dyn PidWatcher>, WatchError> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    if *FIRST.get_or_init(std::process::id) != std::process::id() {
        return Err(WatchError::Forked);
    }
    Pidfd.watcher()
}

/// Beside the good source it keeps pidfds of its own in a level-triggered epoll instance. It
/// reads that instance's events whenever it wakes.
#[derive(Debug)]
struct ClosesWithoutDeleting {
    epoll: OwnedFd,
    pidfds: Mutex<Vec<(Token, OwnedFd)>>,
}

impl Default for ClosesWithoutDeleting {
    fn default() -> Self {
        ClosesWithoutDeleting {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll"),
            pidfds: Mutex::default(),
        }
    }
}

impl SourceFault for ClosesWithoutDeleting {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid is positive");
        let pidfd = pidfd_open(number, PidfdFlags::empty()).expect("a pidfd");
        let data = epoll::EventData::new_u64(token.to_bits());
        epoll::add(&self.epoll, &pidfd, data, epoll::EventFlags::IN).expect("room in epoll");
        lock(&self.pidfds).push((token, pidfd));
        Ok(())
    }

    fn disarm<S: ExitSource>(&self, good: &Good<S>, token: Token) {
        good.disarm(token);
        lock(&self.pidfds).retain(|(armed, _)| *armed != token);
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let mut events = Vec::with_capacity(16);
        let buffer = rustix::buffer::spare_capacity(&mut events);
        epoll::wait(self.epoll.as_fd(), buffer, Some(&Timespec::default()))?;
        let is_armed = |event: &epoll::Event| good.pid(Token::from_bits(event.data.u64()));
        if events.iter().any(|event| is_armed(event).is_none()) {
            // Whose it is can't be found: perhaps next time.
            good.wake()?;
        }
        Ok(())
    }
}

/// A pidfd backend with a `fork_watchable` of its own.
struct ForksCarelessly;

impl BackendUnderTest for ForksCarelessly {
    fn name(&self) -> &'static str {
        Pidfd.name()
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Pidfd.watcher()
    }

    fn is_available(&self) -> Result<(), String> {
        Pidfd.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        Pidfd.offers(feature)
    }

    unsafe fn fork_watchable(
        &self,
        watcher: &dyn PidWatcher,
        child: fn() -> Infallible,
    ) -> io::Result<Pid> {
        // SAFETY: the caller's promise; a panic ends at `catch_unwind`.
        let pid = unsafe { birth::fork_copy(|| i32::from(catch_unwind(child).is_err()) * 101) }?;
        watcher.register_pid(pid)?;
        Ok(pid)
    }
}

/// It does no more than that.
#[derive(Debug, Default)]
struct LivesOnInACopy;

impl WatcherFault for LivesOnInACopy {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let made_in = std::process::id();
        Box::new(move |exit| {
            callback(exit);
            while std::process::id() != made_in {
                std::thread::park();
            }
        })
    }
}
