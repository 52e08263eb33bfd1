//! C11: watchers that take harm from a callback's panic, or hide it.

use std::collections::HashMap;
use std::mem;
use std::os::fd::OwnedFd;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use childwatch_core::{ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};
use rustix::event::{EventfdFlags, eventfd};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::watcher::{Shared, WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::{C4, C11};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::signals;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "dies-of-a-panic",
        fault: "After a callback's panic, which it swallows, it runs no other.",
        breaks: Rule::Clause(C11),
        watcher: with::<DiesOfAPanic>,
        fails: &[(
            "a_panicking_callback_harms_nothing",
            InVain("the callback ran 1 times, not 2"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-what-panicked",
        fault: "What a registration holds stays until the watcher's end, if its callback panics.",
        breaks: Rule::Clause(C11),
        watcher: with::<ForgetsWhatPanicked>,
        fails: &[(
            "a_panicking_callback_leaves_nothing",
            InVain("now there is"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-payloads",
        fault: "What a callback's panic carries is never dropped.",
        breaks: Rule::Clause(C11),
        watcher: with::<ForgetsPayloads>,
        fails: &[(
            "a_panics_payload_is_dropped_once",
            InVain("each payload of a panic is dropped"),
        )],
        passes: &["a_panicking_callback_leaves_nothing"],
        ..ON_PIDFDS
    },
    Broken {
        name: "drops-captures-first",
        fault: "A cancelled callback is dropped before its registration is given back.",
        breaks: Rule::Clause(C11),
        watcher: with::<DropsCapturesFirst>,
        fails: &[("a_panicking_drop_leaves_nothing", InVain("now there is"))],
        passes: &["an_unregistered_callback_never_runs"],
        ..ON_PIDFDS
    },
    Broken {
        name: "keeps-what-a-panic-blocked",
        fault: "What a callback blocked before it panicked stays blocked for the next.",
        breaks: Rule::Clause(C4),
        watcher: with::<KeepsWhatAPanicBlocked>,
        fails: &[(
            "a_panic_leaves_the_next_callback_an_ordinary_mask",
            Saying("the mask after another callback's panic"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "hides-panics",
        fault: "The panic hook does not hear of a callback's panic.",
        breaks: Rule::Clause(C11),
        watcher: with::<HidesPanics>,
        fails: &[(
            "a_callbacks_panic_is_told_to_the_hook",
            Saying("the hook heard nothing"),
        )],
        passes: &["a_panicking_callback_harms_nothing"],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct DiesOfAPanic {
    is_dead: Arc<AtomicBool>,
}

impl WatcherFault for DiesOfAPanic {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let is_dead = Arc::clone(&self.is_dead);
        Box::new(move |exit| {
            if is_dead.load(Ordering::SeqCst) {
                return;
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(exit))) {
                is_dead.store(true, Ordering::SeqCst);
                mem::forget(payload);
            }
        })
    }
}

/// It holds a file descriptor.
#[derive(Debug, Default)]
struct ForgetsWhatPanicked {
    held: Arc<Mutex<Vec<OwnedFd>>>,
}

impl WatcherFault for ForgetsWhatPanicked {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let held = Arc::clone(&self.held);
        Box::new(move |exit| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(exit))) {
                lock(&held).extend(eventfd(0, EventfdFlags::CLOEXEC));
                panic::resume_unwind(payload);
            }
        })
    }
}

#[derive(Debug, Default)]
struct ForgetsPayloads;

impl WatcherFault for ForgetsPayloads {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |exit| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(exit))) {
                mem::forget(payload);
            }
        })
    }
}

/// If what a callback captured panics when it is dropped, the good watcher keeps the rest.
#[derive(Debug, Default)]
struct DropsCapturesFirst {
    callbacks: Mutex<HashMap<WatchHandle, Arc<Shared>>>,
}

impl WatcherFault for DropsCapturesFirst {
    fn add(
        &self,
        _pid: Pid,
        callback: ExitCallback,
        good: &dyn Fn(ExitCallback) -> Result<WatchHandle, WatchError>,
    ) -> Result<WatchHandle, WatchError> {
        let shared = Shared::new(callback);
        let handle = good(shared.callback())?;
        lock(&self.callbacks).insert(handle, shared);
        Ok(handle)
    }

    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        let shared = lock(&self.callbacks).remove(&handle);
        drop(shared.and_then(|shared| shared.take()));
        good.unregister_callback(handle)
    }
}

#[derive(Debug, Default)]
struct KeepsWhatAPanicBlocked {
    has_panicked: Arc<AtomicBool>,
}

impl WatcherFault for KeepsWhatAPanicBlocked {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let has_panicked = Arc::clone(&self.has_panicked);
        Box::new(move |exit| {
            if has_panicked.load(Ordering::SeqCst) {
                signals::block(libc::SIGUSR1);
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(exit))) {
                has_panicked.store(true, Ordering::SeqCst);
                panic::resume_unwind(payload);
            }
        })
    }
}

#[derive(Debug, Default)]
struct HidesPanics;

impl WatcherFault for HidesPanics {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |exit| {
            let hook = panic::take_hook();
            panic::set_hook(Box::new(|_| {}));
            let outcome = catch_unwind(AssertUnwindSafe(|| callback(exit)));
            panic::set_hook(hook);
            if let Err(payload) = outcome {
                panic::resume_unwind(payload);
            }
        })
    }
}
