//! Dispositions and masks.

#![expect(
    unsafe_code,
    reason = "`sigaction`, masks, `kill`, `raise`, and a handler that repairs a page"
)]

use std::fmt;
use std::mem;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Changes the action of `SIGCHLD` in this process, until this is dropped.
pub struct SigchldAction {
    before: libc::sigaction,
}

impl fmt::Debug for SigchldAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigchldAction").finish_non_exhaustive()
    }
}

impl SigchldAction {
    /// The signal is ignored, and the kernel reaps the children.
    pub fn ignored() -> Self {
        Self::set(libc::SIG_IGN, 0)
    }

    /// `SA_NOCLDWAIT`: the kernel reaps the children.
    pub fn no_child_wait() -> Self {
        Self::set(libc::SIG_DFL, libc::SA_NOCLDWAIT)
    }

    pub(super) fn set(handler: libc::sighandler_t, flags: i32) -> Self {
        Self::set_with_mask(handler, flags, &[])
    }

    fn set_with_mask(handler: libc::sighandler_t, flags: i32, mask: &[i32]) -> Self {
        // SAFETY: both actions live across the call. The handler is a constant, or a
        // function of this file that fits its flags.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handler;
            action.sa_flags = flags;
            for signal in mask {
                libc::sigaddset(&raw mut action.sa_mask, *signal);
            }
            let mut before: libc::sigaction = mem::zeroed();
            let answer = libc::sigaction(libc::SIGCHLD, &raw const action, &raw mut before);
            assert_eq!(answer, 0, "SIGCHLD can be ignored");
            SigchldAction { before }
        }
    }
}

impl Drop for SigchldAction {
    fn drop(&mut self) {
        // SAFETY: restores what was there.
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const self.before, ptr::null_mut()) };
    }
}

/// What every signal does, as numbers to be compared.
pub(crate) fn dispositions() -> Vec<(i32, usize, i32)> {
    (1..=64)
        .filter_map(|signal| {
            // SAFETY: a null new action only reads; the old one lives across the
            // call. Signals that libc keeps to itself are refused, and left out.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                let answer = libc::sigaction(signal, ptr::null(), &raw mut action);
                (answer == 0).then_some((signal, action.sa_sigaction, action.sa_flags))
            }
        })
        .collect()
}

/// Whether each signal from 1 to 64 is blocked on this thread.
pub(crate) fn blocked_signals() -> Vec<i32> {
    // SAFETY: a null new set only reads; sigismember reads an initialised set.
    unsafe {
        let mut mask: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut mask);
        (1..=64)
            .filter(|signal| libc::sigismember(&raw const mask, *signal) == 1)
            .collect()
    }
}

/// Sends a signal to this very process.
pub(crate) fn signal_self(signal: i32) {
    // SAFETY: takes plain values.
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// Has `SIGPIPE` end this process, which Rust's runtime ignores and a host in C need not.
pub(crate) fn default_broken_pipe_action() {
    // SAFETY: the default action runs no code of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// The signals that end a process by default.
pub(crate) fn fatal_signals() -> impl Iterator<Item = u8> {
    const HARMLESS: [i32; 8] = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    (1..=64).filter(|signal| {
        let number = i32::from(*signal);
        !HARMLESS.contains(&number) && !c_librarys_signals().contains(&number)
    })
}

/// The signals that the C library keeps to itself: 32 and 33 with glibc, and 34 too with musl.
pub(crate) fn c_librarys_signals() -> Range<i32> {
    32..libc::SIGRTMIN()
}

/// Returns the disposition of `SIGCHLD`: its handler's address and its flags.
///
/// # Panics
///
/// If the kernel does not say so.
pub fn sigchld_disposition() -> (usize, i32) {
    dispositions()
        .into_iter()
        .find(|(signal, ..)| *signal == libc::SIGCHLD)
        .map(|(_, handler, flags)| (handler, flags))
        .expect("SIGCHLD has a disposition")
}

/// What the handler of SIGCHLD blocks while it runs, without the signals that the C library keeps
/// to itself. A watcher may block those too.
pub(crate) fn sigchld_mask() -> Vec<i32> {
    // SAFETY: a null new action only reads; the old one lives across the calls.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(libc::SIGCHLD, ptr::null(), &raw mut action);
        (1..=31)
            .chain(libc::SIGRTMIN()..=64)
            .filter(|signal| libc::sigismember(&raw const action.sa_mask, *signal) == 1)
            .collect()
    }
}

/// Changes the flags of what `SIGCHLD` does.
pub fn change_sigchld_flags(change: impl FnOnce(i32) -> i32) {
    change_action(libc::SIGCHLD, |action| {
        action.sa_flags = change(action.sa_flags);
    });
}

/// Has the handler of `SIGCHLD` block nothing but its own signal.
pub fn clear_sigchld_mask() {
    change_action(libc::SIGCHLD, |action| {
        // SAFETY: all zeros is a valid set, and an empty one.
        action.sa_mask = unsafe { mem::zeroed() };
    });
}

/// Changes the flags or the mask of what a signal does.
pub(super) fn change_action(signal: i32, change: impl FnOnce(&mut libc::sigaction)) {
    // SAFETY: the action is the one just read, with other flags or another mask; both live across
    // the calls, where a null new one only reads and a null old one is allowed.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut action);
        change(&mut action);
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// How often a handler of the suite for `SIGCHLD` has run.
pub static CHILD_SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_child_signal(_signal: libc::c_int) {
    CHILD_SIGNALS.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn spoil_errno(_signal: libc::c_int) {
    // SAFETY: takes a plain value, and fails with EBADF.
    unsafe { libc::close(-1) };
}

impl SigchldAction {
    /// A handler of the program's own, which counts.
    pub fn counted() -> Self {
        Self::set(
            count_child_signal as *const () as libc::sighandler_t,
            libc::SA_RESTART,
        )
    }

    /// The same, which interrupts system calls, and blocks a signal meanwhile.
    pub(crate) fn interrupting(blocked: i32) -> Self {
        Self::set_with_mask(
            count_child_signal as *const () as libc::sighandler_t,
            0,
            &[blocked],
        )
    }

    /// A handler that leaves another `errno` than it finds.
    pub fn spoiling_errno() -> Self {
        Self::set(
            spoil_errno as *const () as libc::sighandler_t,
            libc::SA_RESTART | libc::SA_ONSTACK,
        )
    }

    /// The default: the signal does nothing, and children stay zombies.
    pub fn default_action() -> Self {
        Self::set(libc::SIG_DFL, 0)
    }
}

/// Blocks `SIGCHLD` on this thread, and on the threads and processes that it makes from
/// then on.
pub fn block_sigchld() {
    block(libc::SIGCHLD);
}

/// Lets `SIGCHLD` through on this thread.
pub fn unblock_sigchld() {
    change_mask(libc::SIG_UNBLOCK, libc::SIGCHLD);
}

/// Blocks a signal on this thread, and on the threads and processes that it makes from
/// then on.
pub fn block(signal: i32) {
    change_mask(libc::SIG_BLOCK, signal);
}

/// Unblocks a signal on this thread.
pub fn unblock(signal: i32) {
    change_mask(libc::SIG_UNBLOCK, signal);
}

/// Blocks every signal on this thread by the raw call, those too that the C library keeps to
/// itself.
///
/// # Panics
///
/// If the kernel refuses.
pub fn block_every_signal() {
    let every = u64::MAX;
    // SAFETY: the kernel reads a set of this size, which lives across the call. A null old
    // set is allowed.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const every,
            ptr::null_mut::<u64>(),
            size_of_val(&every),
        )
    };
    assert_eq!(answer, 0, "signals can be blocked");
}

fn change_mask(how: libc::c_int, signal: i32) {
    // SAFETY: the set is initialised by sigemptyset, and lives across the calls.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut());
    }
}

/// Signals that this thread blocks until this is dropped.
pub struct Blocked {
    before: libc::sigset_t,
}

impl fmt::Debug for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocked").finish_non_exhaustive()
    }
}

impl Blocked {
    /// Blocks these signals on this thread.
    pub fn signals(signals: impl IntoIterator<Item = i32>) -> Self {
        // SAFETY: both sets are initialised, and live across the calls.
        unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, signal);
            }
            let mut before: libc::sigset_t = mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            Blocked { before }
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: restores what was there.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut());
        }
    }
}

/// The signals that the kernel raises in a thread for what the thread does.
pub const SYNCHRONOUS_SIGNALS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// What the thread or process with this `status` file blocks.
pub(crate) fn blocked_by(status: &str) -> Vec<i32> {
    let text = std::fs::read_to_string(status).expect("it is there");
    let mask = text
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .expect("a status has a mask");
    (1..=64)
        .filter(|signal| mask & (1 << (signal - 1)) != 0)
        .collect()
}

/// The lines with these names in the `status` file of this process, such as `SigIgn:`. Sets
/// of signals are without those that belong to the C library: it installs handlers of them
/// when the first thread is started, whatever was inherited.
pub(crate) fn signals_in_own_status(names: &[&str]) -> Vec<String> {
    let librarys: u64 = c_librarys_signals().map(|signal| 1 << (signal - 1)).sum();
    let text = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let lines = text.lines().filter_map(|line| {
        let name = names.iter().find(|name| line.starts_with(**name))?;
        let value = line[name.len()..].trim();
        let value = match u64::from_str_radix(value, 16) {
            Ok(set) if name.starts_with("Sig") => format!("{:016x}", set & !librarys),
            _ => value.to_owned(),
        };
        Some(format!("{name} {value}"))
    });
    lines.collect()
}

/// Sends a signal to one thread of this process.
pub(crate) fn signal_thread(thread: i32, signal: i32) {
    // SAFETY: takes plain values. The signal has a handler.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
    assert_eq!(sent, 0, "the thread lives");
}

/// Raises a signal on this thread.
pub(crate) fn raise(signal: i32) {
    // SAFETY: takes a plain value.
    unsafe { libc::raise(signal) };
}

/// A signal whose handler counts its runs, until this is dropped.
pub struct CountedSignal {
    signal: i32,
    before: libc::sigaction,
}

static COUNTED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: libc::c_int) {
    COUNTED.fetch_add(1, Ordering::SeqCst);
}

impl fmt::Debug for CountedSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedSignal").finish_non_exhaustive()
    }
}

impl CountedSignal {
    /// Installs the handler.
    pub fn new(signal: i32) -> Self {
        let before = set_handler(signal, count);
        CountedSignal { signal, before }
    }

    /// Returns how often such handlers have run.
    #[must_use]
    pub fn runs() -> usize {
        COUNTED.load(Ordering::SeqCst)
    }
}

impl Drop for CountedSignal {
    fn drop(&mut self) {
        restore_handler(self.signal, &self.before);
    }
}

pub(super) fn set_handler(signal: i32, handler: extern "C" fn(libc::c_int)) -> libc::sigaction {
    // SAFETY: both actions live across the call; the handlers here are
    // async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        let mut before: libc::sigaction = mem::zeroed();
        let answer = libc::sigaction(signal, &raw const action, &raw mut before);
        assert_eq!(answer, 0, "the signal can be handled");
        before
    }
}

pub(super) fn restore_handler(signal: i32, before: &libc::sigaction) {
    // SAFETY: restores what was there.
    unsafe { libc::sigaction(signal, ptr::from_ref(before), ptr::null_mut()) };
}

/// A page that may not be touched, and a handler of SIGSEGV that makes the page accessible.
pub(crate) struct RepairedPage {
    page: *mut u8,
    before: libc::sigaction,
}

static PAGE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The pages that are touched, whatever a page's size is: up to 64 KiB on Linux.
const PAGE_BYTES: usize = 64 << 10;

extern "C" fn repair(_signal: libc::c_int) {
    let page = PAGE.load(Ordering::SeqCst);
    // SAFETY: the page was mapped by `RepairedPage::new`; mprotect is a plain system call.
    unsafe { libc::mprotect(page.cast(), PAGE_BYTES, libc::PROT_READ | libc::PROT_WRITE) };
}

impl RepairedPage {
    pub(crate) fn new() -> Self {
        // SAFETY: a new private mapping, at an address of the kernel's choice.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE_BYTES,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED, "a page");
        PAGE.store(page.cast(), Ordering::SeqCst);
        let before = set_handler(libc::SIGSEGV, repair);
        RepairedPage {
            page: page.cast(),
            before,
        }
    }

    /// Writes a byte to the page, and reads it.
    pub(crate) fn write_and_read(&self, byte: u8) -> u8 {
        // SAFETY: the page is mapped, and this value's alone. The first access faults, and
        // is made again when the handler has returned.
        unsafe {
            self.page.write_volatile(byte);
            self.page.read_volatile()
        }
    }
}

impl Drop for RepairedPage {
    fn drop(&mut self) {
        restore_handler(libc::SIGSEGV, &self.before);
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.page.cast(), PAGE_BYTES) };
    }
}
