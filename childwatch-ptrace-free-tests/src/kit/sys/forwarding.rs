//! [`Forwarding`]: a program that receives `SIGCHLD` by itself, and passes it on to its watchers.

#![expect(
    unsafe_code,
    reason = "a handler, `atexit`, and the functions that the handler calls"
)]

use std::mem;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use super::signals::{CHILD_SIGNALS, SigchldAction, sigchld_disposition};

/// A program's own handler, which forwards `SIGCHLD` to a watcher until this is dropped.
///
/// A backend that offers [`Feature::Forwarding`](crate::Feature::Forwarding) keeps one beside
/// each watcher. A host that receives the signal by other means than a handler calls the same
/// function.
#[derive(Debug)]
pub struct Forwarding {
    place: usize,
}

/// What is called with `si_pid`, `si_code` and `si_status` of each signal.
type Forwarder = Box<dyn Fn(i32, i32, i32) + Send + Sync>;

/// What the handler calls.
static FORWARDERS: [AtomicPtr<Forwarder>; 64] = [const { AtomicPtr::new(ptr::null_mut()) }; 64];
/// How many threads of this process are forwarding.
static FORWARDING: AtomicUsize = AtomicUsize::new(0);
/// The process that counts them.
static PROCESS: AtomicU32 = AtomicU32::new(0);

extern "C" fn forward_child_signal(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    CHILD_SIGNALS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the siginfo comes from the kernel with SIGCHLD, whose fields may be read.
    unsafe {
        if let Some(info) = info.as_ref() {
            forward(info.si_pid(), info.si_code, info.si_status());
        }
    }
}

/// Passes a `SIGCHLD` on to all forwarders. It may be called in a handler.
pub(crate) fn forward(pid: i32, code: i32, status: i32) {
    FORWARDING.fetch_add(1, Ordering::SeqCst);
    for place in &FORWARDERS {
        // SAFETY: null, or a forwarder that its owner frees only when nobody forwards who
        // has seen it.
        if let Some(forwarder) = unsafe { place.load(Ordering::SeqCst).as_ref() } {
            forwarder(pid, code, status);
        }
    }
    FORWARDING.fetch_sub(1, Ordering::SeqCst);
}

/// The program calls [`forward`] by itself.
static IS_FORWARDED_BY_THE_PROGRAM: AtomicBool = AtomicBool::new(false);

/// From now on, a loop or a handler of the program's calls [`forward`], and no handler is
/// installed for it.
pub(crate) fn forward_in_a_loop() {
    IS_FORWARDED_BY_THE_PROGRAM.store(true, Ordering::SeqCst);
}

impl Forwarding {
    /// Installs the handler, unless that is done, and adds a function that it calls with
    /// `si_pid`, `si_code` and `si_status` of each signal. The function must be
    /// async-signal-safe.
    ///
    /// # Panics
    ///
    /// When there are too many.
    pub fn to(forwarder: impl Fn(i32, i32, i32) + Send + Sync + 'static) -> Self {
        // In a forked copy no thread is in the handler, whatever the parent has counted.
        if PROCESS.swap(std::process::id(), Ordering::SeqCst) != std::process::id() {
            FORWARDING.store(0, Ordering::SeqCst);
        }
        let forwarder = Box::into_raw(Box::<Forwarder>::new(Box::new(forwarder)));
        let place = FORWARDERS.iter().position(|place| {
            let null = ptr::null_mut();
            let taken = place.compare_exchange(null, forwarder, Ordering::SeqCst, Ordering::SeqCst);
            taken.is_ok()
        });
        static INSTALLED: Once = Once::new();
        let installs = !IS_FORWARDED_BY_THE_PROGRAM.load(Ordering::SeqCst);
        let install = || {
            let before = sigchld_disposition();
            let reaps = before.0 == libc::SIG_IGN || before.1 & libc::SA_NOCLDWAIT != 0;
            let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            let flags = flags | if reaps { libc::SA_NOCLDWAIT } else { 0 };
            let handler = forward_child_signal as *const () as libc::sighandler_t;
            mem::forget(SigchldAction::set(handler, flags));
            // SAFETY: the function may run at any time, also twice.
            unsafe { libc::atexit(leave_alternate_stacks) };
        };
        if installs {
            INSTALLED.call_once(install);
        }
        Forwarding {
            place: place.expect("a place for a forwarder"),
        }
    }
}

/// If another thread than the first calls `std::process::exit`, std unmaps the alternate stack of the
/// first thread, and leaves it in use (Rust up to 1.95 at least). A handler with `SA_ONSTACK` would
/// crash there.
extern "C" fn leave_alternate_stacks() {
    // SAFETY: both calls take nothing. The first thread has the number of the process.
    let is_first = unsafe { libc::gettid() == libc::getpid() };
    let (handler, flags) = sigchld_disposition();
    if !is_first && handler == forward_child_signal as *const () as libc::sighandler_t {
        mem::forget(SigchldAction::set(handler, flags & !libc::SA_ONSTACK));
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        let forwarder = FORWARDERS[self.place].swap(ptr::null_mut(), Ordering::SeqCst);
        // A handler that has seen it has counted itself before.
        while FORWARDING.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        // SAFETY: it came from a box, nobody else has it any more, and it is freed once.
        drop(unsafe { Box::from_raw(forwarder) });
    }
}
