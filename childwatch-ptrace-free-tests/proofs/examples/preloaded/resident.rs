//! [`Resident`]: the watcher in this process.

#![expect(
    unsafe_code,
    reason = "a watcher behind a pointer, because a handler takes no lock; `pthread_sigmask`"
)]

use std::env;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use childwatch_core::{Exit, Pid, PidWatcher, WatchError};
use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::BackendUnderTest;
use libc::sigset_t;
use rustix::process::getpid;

use super::children::Children;
use super::record::Record;

/// How long the end of the program waits for exits that the program knows already. If there is
/// still one then, it is recorded as lost.
const LOST: Duration = Duration::from_secs(10);

/// The variables that this program was started with.
struct Settings {
    backend: &'static dyn BackendUnderTest,
    record: Record,
    blocked: bool,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

pub(crate) fn read_settings() {
    let settings = || {
        let name = env::var("PRELOADED_WATCHER").ok()?;
        let record = CString::new(env::var_os("PRELOADED_RECORD")?.into_vec()).ok()?;
        Some(Settings {
            backend: *backends::ALL
                .iter()
                .find(|backend| backend.name() == name)?,
            record: Record::map(&record)?,
            blocked: env::var_os("PRELOADED_BLOCKED").is_some(),
        })
    };
    if let Some(settings) = settings() {
        let _ = SETTINGS.set(settings);
    }
}

/// The watcher of this process. In a copy, it is that of the parent. It is never freed, because
/// another thread or a handler may use it until the process ends.
static RESIDENT: AtomicPtr<Resident> = AtomicPtr::new(ptr::null_mut());

pub(crate) struct Resident {
    process: i32,
    watcher: Box<dyn PidWatcher>,
    children: Children,
    settings: &'static Settings,
}

impl Resident {
    /// Returns the one of this process, which is made if there is none.
    pub(crate) fn of_this_process() -> Option<&'static Resident> {
        let before = RESIDENT.load(Ordering::SeqCst);
        if let Some(resident) = Self::if_ours(before) {
            return Some(resident);
        }
        let settings = SETTINGS.get()?;
        let process = getpid().as_raw_nonzero().get();
        let made = if settings.blocked {
            with_sigchld_blocked(|| settings.backend.watcher())
        } else {
            settings.backend.watcher()
        };
        let watcher = match made {
            Ok(watcher) => watcher,
            Err(error) => {
                settings.record.line(format_args!("{process} none {error}"));
                return None;
            }
        };
        let resident = Box::into_raw(Box::new(Resident {
            process,
            watcher,
            children: Children::none(),
            settings,
        }));
        let set = RESIDENT.compare_exchange(before, resident, Ordering::SeqCst, Ordering::SeqCst);
        if let Err(others) = set {
            // SAFETY: it comes from `into_raw`, and no one has seen it.
            drop(unsafe { Box::from_raw(resident) });
            return Self::if_ours(others);
        }
        settings.record.line(format_args!("{process} begin"));
        Self::if_ours(resident)
    }

    fn if_ours(resident: *mut Resident) -> Option<&'static Resident> {
        // SAFETY: null, or one that is never freed.
        let resident = unsafe { resident.as_ref() }?;
        (resident.process == getpid().as_raw_nonzero().get()).then_some(resident)
    }

    /// Watches a child that the program has just started.
    pub(crate) fn watch(child: i32) {
        let Some(resident) = Self::of_this_process() else {
            return;
        };
        let Ok(pid) = Pid::try_from(child) else {
            return;
        };
        resident.children.watch(child);
        resident.say(format_args!("watch {child}"));
        let told = move |exit: Exit| {
            match exit.status() {
                Some(status) => resident.say(format_args!("told {child} {}", status.into_raw())),
                None => resident.say(format_args!("told {child} unknown")),
            }
            resident.children.tell(child);
        };
        match resident.watcher.watch(pid, Box::new(told)) {
            Ok(_) => return,
            // Another thread of the program or a handler has reaped it already.
            Err(WatchError::NoSuchProcess { .. }) => resident.say(format_args!("gone {child}")),
            Err(error) => resident.say(format_args!("refused {child} {error}")),
        }
        resident.children.refuse(child);
    }

    /// Notes what the program has reaped. Handlers may call this.
    pub(crate) fn note_reaping(child: i32, status: i32) {
        if let Some(resident) = Self::if_ours(RESIDENT.load(Ordering::SeqCst)) {
            if resident.children.reap(child) {
                resident.say(format_args!("reaped {child} {status}"));
            }
        }
    }

    /// Waits until the watcher has told each exit that the program knows.
    pub(crate) fn end() {
        let Some(resident) = Self::if_ours(RESIDENT.load(Ordering::SeqCst)) else {
            return;
        };
        let deadline = Instant::now() + LOST;
        while resident.children.untold() > 0 && Instant::now() < deadline {
            pause();
        }
        resident.say(format_args!("end {}", resident.children.untold()));
    }

    fn say(&self, text: std::fmt::Arguments<'_>) {
        let process = self.process;
        self.settings.record.line(format_args!("{process} {text}"));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a handler may end the program, and must not wait for a lock"
)]
fn pause() {
    thread::sleep(Duration::from_millis(1));
}

/// A thread that the call starts inherits the mask.
fn with_sigchld_blocked<T>(make: impl FnOnce() -> T) -> T {
    let mut sigchld = MaybeUninit::<sigset_t>::uninit();
    let mut before = MaybeUninit::<sigset_t>::uninit();
    // SAFETY: places for two sets. The first is written before it is used.
    unsafe {
        libc::sigemptyset(sigchld.as_mut_ptr());
        libc::sigaddset(sigchld.as_mut_ptr(), libc::SIGCHLD);
        libc::pthread_sigmask(libc::SIG_BLOCK, sigchld.as_ptr(), before.as_mut_ptr());
    }
    let made = make();
    // SAFETY: the set was written above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    made
}
