//! A wall clock of this process's own, which can be set: the code that the kernel maps into
//! each process to read the clocks (the vDSO) is replaced.
//!
//! Only this process and its forked copies read other times. The system call itself, and
//! all other clocks, go on as before.

#![expect(unsafe_code, reason = "the vDSO is read and written")]

use std::fs;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many seconds the wall clock is ahead of the machine's.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Sets the wall clock, after [`have_own_wall_clock`], to so many seconds ahead of the
/// machine's.
pub(crate) fn set_wall_clock_ahead(seconds: i64) {
    AHEAD.store(seconds, Ordering::SeqCst);
}

/// Returns `Ok` if this process may have a wall clock of its own.
pub(crate) fn can_set_own_wall_clock() -> Result<(), String> {
    let code = ClockCode::find()?;
    code.make_writable()?;
    code.make_executable_only()
}

/// Has std, libc and rustix read this process's own wall clock. The process has one thread.
pub(crate) fn have_own_wall_clock() -> Result<(), String> {
    let code = ClockCode::find()?;
    code.make_writable()?;
    code.jump_to(read_clock as *const ());
    code.make_executable_only()
}

/// Stands in for `clock_gettime` of the vDSO, which answers a negative error.
extern "C" fn read_clock(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the caller's pointer is passed on to the kernel, which checks it.
    if unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } != 0 {
        let error = io::Error::last_os_error();
        return -error.raw_os_error().unwrap_or(libc::EINVAL);
    }
    if [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE].contains(&clock) {
        // SAFETY: the kernel has written to it just now.
        unsafe { (*time).tv_sec += AHEAD.load(Ordering::SeqCst) as libc::c_long };
    }
    0
}

/// Where the vDSO has its code for `clock_gettime`.
struct ClockCode {
    address: usize,
}

/// `mov rax, ADDRESS; jmp rax`
const JUMP: usize = 12;

impl ClockCode {
    #[cfg(target_arch = "x86_64")]
    fn find() -> Result<Self, String> {
        // SAFETY: takes a plain value.
        let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
        let base = usize::try_from(base).unwrap_or(0);
        if base == 0 {
            return Err("the kernel maps no code to read the clocks (vDSO) here".to_owned());
        }
        // SAFETY: the kernel has mapped an ELF file there.
        let symbol = unsafe { symbol_of_vdso(base, c"__vdso_clock_gettime") };
        symbol.map(|address| ClockCode { address }).ok_or_else(|| {
            "the kernel's code to read the clocks (vDSO) has no table of its functions".to_owned()
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn find() -> Result<Self, String> {
        Err("the kernel's code to read the clocks is known on x86-64 only".to_owned())
    }

    /// The kernel refuses to protect a part of it.
    fn protect(&self, protection: libc::c_int) -> Result<(), String> {
        let mapped = mapped_at(self.address)
            .ok_or("the kernel's code to read the clocks (vDSO) is not in /proc/self/maps")?;
        // SAFETY: this is the whole vDSO. It stays readable and executable.
        let answer = unsafe { libc::mprotect(mapped.start as *mut _, mapped.len(), protection) };
        if answer == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        Err(format!(
            "the kernel's code to read the clocks (vDSO) can't be changed ({error})"
        ))
    }

    fn make_writable(&self) -> Result<(), String> {
        self.protect(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)
    }

    fn make_executable_only(&self) -> Result<(), String> {
        self.protect(libc::PROT_READ | libc::PROT_EXEC)
    }

    /// Has each call of the code end in `function`.
    fn jump_to(&self, function: *const ()) {
        let mut code = [0_u8; JUMP];
        code[..2].copy_from_slice(&[0x48, 0xB8]);
        code[2..10].copy_from_slice(&(function.addr() as u64).to_le_bytes());
        code[10..].copy_from_slice(&[0xFF, 0xE0]);
        let place = self.address as *mut [u8; JUMP];
        // SAFETY: the pages are writable, and private to this process. No other thread runs
        // the code now. The function has the type of the function that it replaces.
        unsafe { place.write_unaligned(code) };
    }
}

/// Finds the mapping of this process that an address is in.
fn mapped_at(address: usize) -> Option<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let mut ranges = maps.lines().filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(number(start)?..number(end)?)
    });
    ranges.find(|range| range.contains(&address))
}

/// Finds a function in the ELF file that is mapped at `base`, by its section of dynamic
/// symbols.
///
/// # Safety
///
/// There is such a file, which is never unmapped.
#[cfg(target_arch = "x86_64")]
unsafe fn symbol_of_vdso(base: usize, name: &std::ffi::CStr) -> Option<usize> {
    // SAFETY: the file's own header says where its tables are.
    unsafe {
        let header = &*(base as *const libc::Elf64_Ehdr);
        let sections = base + usize::try_from(header.e_shoff).ok()?;
        let sections =
            std::slice::from_raw_parts(sections as *const libc::Elf64_Shdr, header.e_shnum.into());
        let symbols = sections
            .iter()
            .find(|section| section.sh_type == SHT_DYNSYM)?;
        let strings = sections.get(symbols.sh_link as usize)?;
        let table = base + usize::try_from(symbols.sh_offset).ok()?;
        let count = usize::try_from(symbols.sh_size).ok()? / size_of::<libc::Elf64_Sym>();
        let table = std::slice::from_raw_parts(table as *const libc::Elf64_Sym, count);
        let strings = base + usize::try_from(strings.sh_offset).ok()?;
        let symbol = table.iter().find(|symbol| {
            let own = (strings + symbol.st_name as usize) as *const libc::c_char;
            std::ffi::CStr::from_ptr(own) == name
        })?;
        Some(base + usize::try_from(symbol.st_value).ok()?)
    }
}

/// A section of dynamic symbols.
#[cfg(target_arch = "x86_64")]
const SHT_DYNSYM: u32 = 11;
