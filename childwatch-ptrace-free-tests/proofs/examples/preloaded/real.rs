//! [`Real`]: the functions of the C library, behind those that have their names here.

#![expect(unsafe_code, reason = "`dlsym`")]

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A function of the next library that has one of this name.
pub(crate) struct Real {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

pub(crate) static FORK: Real = Real::of(c"fork");
pub(crate) static POSIX_SPAWN: Real = Real::of(c"posix_spawn");
pub(crate) static POSIX_SPAWNP: Real = Real::of(c"posix_spawnp");
pub(crate) static WAITPID: Real = Real::of(c"waitpid");
pub(crate) static WAIT4: Real = Real::of(c"wait4");
pub(crate) static WAITID: Real = Real::of(c"waitid");
pub(crate) static EXIT: Real = Real::of(c"_exit");

impl Real {
    const fn of(name: &'static CStr) -> Self {
        Real {
            name,
            address: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Finds all of them, because `dlsym` may not be called in a handler.
    pub(crate) fn find_all() {
        let all = [
            &FORK,
            &POSIX_SPAWN,
            &POSIX_SPAWNP,
            &WAITPID,
            &WAIT4,
            &WAITID,
            &EXIT,
        ];
        for real in all {
            real.address();
        }
    }

    /// Returns its address. Another library's initialiser may ask before [`find_all`](Self::find_all).
    pub(crate) fn address(&self) -> *mut c_void {
        // Relaxed: the address is all that is shared.
        let address = self.address.load(Ordering::Relaxed);
        if !address.is_null() {
            return address;
        }
        // SAFETY: the name is a string of C.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        assert!(!address.is_null(), "no {:?} in the C library", self.name);
        self.address.store(address, Ordering::Relaxed);
        address
    }
}
