//! A heap whose pages are guarded, and the handler of `SIGSEGV` that lets writes through.

#![expect(
    unsafe_code,
    reason = "`mmap`, `mprotect`, `sigaction`, and a handler that repairs the page of a fault"
)]

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

const PAGES: usize = 32;

/// The heap of this process; there is one at a time.
static HEAP: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(0);
/// The pages that have been written to, a bit each.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
/// How often the handler has run on an alternate stack, and on another.
static RUNS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Memory that may be read, and in which a first write to a page faults and is noted: the
/// write barrier of a garbage collector.
pub(crate) struct GuardedHeap {
    memory: *mut u8,
    bytes: usize,
    before: libc::sigaction,
}

// SAFETY: the mapping belongs to no thread.
unsafe impl Send for GuardedHeap {}
// SAFETY: the host writes on one thread at a time, and waits for the other.
unsafe impl Sync for GuardedHeap {}

/// What the handler has noted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written<R> {
    pages: Vec<usize>,
    runs_on_alternate_stacks: usize,
    runs_on_others: usize,
    is_handlers: bool,
    returned: R,
}

impl GuardedHeap {
    /// Maps the heap, and installs the handler.
    pub(crate) fn new() -> Self {
        let page = rustix::param::page_size();
        let bytes = PAGES * page;
        // SAFETY: a new private mapping, at an address of the kernel's choice.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(memory, libc::MAP_FAILED, "a heap");
        HEAP.store(memory.cast(), Ordering::SeqCst);
        PAGE_BYTES.store(page, Ordering::SeqCst);
        // SAFETY: both actions live across the call. The handler is async-signal-safe, and
        // is of the kind that its flags say.
        let before = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handler_address();
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            let mut before: libc::sigaction = mem::zeroed();
            let answer = libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut before);
            assert_eq!(answer, 0, "SIGSEGV can be handled");
            before
        };
        GuardedHeap {
            memory: memory.cast(),
            bytes,
            before,
        }
    }

    #[expect(clippy::unused_self, reason = "every heap has as many")]
    pub(crate) fn pages(&self) -> usize {
        PAGES
    }

    /// Guards all pages, runs `body`, and returns what was written to meanwhile.
    pub(crate) fn written_by<R>(&self, body: impl FnOnce() -> R) -> Written<R> {
        // SAFETY: the mapping is this value's own, and stays readable.
        let guarded = unsafe { libc::mprotect(self.memory.cast(), self.bytes, libc::PROT_READ) };
        assert_eq!(guarded, 0, "pages can be guarded");
        WRITTEN.store(0, Ordering::SeqCst);
        for runs in &RUNS {
            runs.store(0, Ordering::SeqCst);
        }
        let returned = body();
        let written = WRITTEN.load(Ordering::SeqCst);
        let handler = super::signals::dispositions()
            .into_iter()
            .find(|(signal, ..)| *signal == libc::SIGSEGV);
        Written {
            pages: (0..PAGES)
                .filter(|page| written & (1 << page) != 0)
                .collect(),
            runs_on_alternate_stacks: RUNS[0].load(Ordering::SeqCst),
            runs_on_others: RUNS[1].load(Ordering::SeqCst),
            is_handlers: handler.is_some_and(|(_, address, _)| address == handler_address()),
            returned,
        }
    }

    /// Writes a byte to a page, and reads it.
    pub(crate) fn write_and_read(&self, page: usize, byte: u8) -> u8 {
        assert!(page < PAGES);
        // SAFETY: the place is in the mapping, and no reference leads there. A write that
        // faults is made again when the handler has returned.
        unsafe {
            let place = self.memory.add(page * (self.bytes / PAGES));
            place.write_volatile(byte);
            place.read_volatile()
        }
    }
}

impl Drop for GuardedHeap {
    fn drop(&mut self) {
        // SAFETY: restores what was there, and unmaps what is this value's own.
        unsafe {
            libc::sigaction(libc::SIGSEGV, &raw const self.before, ptr::null_mut());
            libc::munmap(self.memory.cast(), self.bytes);
        }
    }
}

fn handler_address() -> libc::sighandler_t {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = let_through;
    handler as libc::sighandler_t
}

extern "C" fn let_through(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    let page_bytes = PAGE_BYTES.load(Ordering::SeqCst);
    // SAFETY: the kernel gives a handler with SA_SIGINFO the siginfo of a fault, which has
    // an address.
    let address = unsafe { (*info).si_addr() }.addr();
    let heap = HEAP.load(Ordering::SeqCst);
    let page = address.wrapping_sub(heap.addr()) / page_bytes;
    if page >= PAGES {
        // A true fault: it comes again, and ends the process.
        //
        // SAFETY: takes plain values; the default action runs no code.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    // SAFETY: a null new stack only reads, and the old one lives across the call. The page
    // is one of the heap's mapping.
    unsafe {
        let mut stack: libc::stack_t = mem::zeroed();
        libc::sigaltstack(ptr::null(), &raw mut stack);
        let is_alternate = stack.ss_flags & libc::SS_ONSTACK != 0;
        RUNS[usize::from(!is_alternate)].fetch_add(1, Ordering::SeqCst);
        WRITTEN.fetch_or(1 << page, Ordering::SeqCst);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        libc::mprotect(heap.add(page * page_bytes).cast(), page_bytes, access);
    }
}
