//! A second copy of the library, which this program loads as a plugin: the example
//! `second_copy`.

#![expect(
    unsafe_code,
    reason = "`dlopen`, and functions of the library that it loads"
)]

use std::env;
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::ptr::NonNull;
use std::sync::mpsc::Sender;

use childwatch_core::Pid;

const FILE: &str = "libsecond_copy.so";

type Tell = extern "C" fn(*mut c_void, c_int, c_int);

/// The loaded library. It stays loaded for as long as the process lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecondCopy {
    by_sigchld: extern "C" fn() -> *mut c_void,
    by_pidfd: extern "C" fn() -> *mut c_void,
    watch: unsafe extern "C" fn(*const c_void, c_int, Tell, *mut c_void) -> c_int,
    drop: unsafe extern "C" fn(*mut c_void),
}

/// A watcher of the second copy.
#[derive(Debug)]
pub(crate) struct TheirWatcher {
    library: SecondCopy,
    watcher: NonNull<c_void>,
}

impl SecondCopy {
    /// Returns `Ok` if the example was built beside this program.
    pub(crate) fn is_there() -> Result<(), String> {
        if cfg!(target_feature = "crt-static") {
            return Err("a program that is linked statically loads no library".to_owned());
        }
        Self::file().map(drop)
    }

    /// Finds the library in `examples`, beside this program or one folder above.
    fn file() -> Result<PathBuf, String> {
        let program = env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let folders = program.ancestors().skip(1).take(2);
        let mut files = folders.map(|folder| folder.join("examples").join(FILE));
        files.find(|file| file.is_file()).ok_or_else(|| {
            "there is no second copy of the library: it is the example `second_copy` of \
             childwatch-proofs, in the workspace of childwatch"
                .to_owned()
        })
    }

    /// Loads the library.
    ///
    /// # Panics
    ///
    /// If it can't be loaded.
    pub(crate) fn load() -> Self {
        let file = Self::file().expect("the needs have been looked at");
        let file = CString::new(file.as_os_str().as_bytes()).expect("a path");
        let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE;
        // SAFETY: the library's initialisers are those of Rust's std, which may run here.
        let library = unsafe { libc::dlopen(file.as_ptr(), flags) };
        assert!(!library.is_null(), "{FILE}: {}", Self::error());
        // SAFETY: the example defines these functions with these types. It stays loaded.
        unsafe {
            SecondCopy {
                by_sigchld: mem::transmute::<*mut c_void, extern "C" fn() -> *mut c_void>(
                    Self::function(library, c"second_copy_by_sigchld"),
                ),
                by_pidfd: mem::transmute::<*mut c_void, extern "C" fn() -> *mut c_void>(
                    Self::function(library, c"second_copy_by_pidfd"),
                ),
                watch: mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*const c_void, c_int, Tell, *mut c_void) -> c_int,
                >(Self::function(library, c"second_copy_watch")),
                drop: mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(
                    Self::function(library, c"second_copy_drop"),
                ),
            }
        }
    }

    fn function(library: *mut c_void, name: &CStr) -> *mut c_void {
        // SAFETY: the library is loaded, and the name lives across the call.
        let function = unsafe { libc::dlsym(library, name.as_ptr()) };
        assert!(!function.is_null(), "{name:?}: {}", Self::error());
        function
    }

    fn error() -> String {
        // SAFETY: null, or a string that lives until the next such call on this thread.
        let error = unsafe { libc::dlerror().as_ref().map(|error| CStr::from_ptr(error)) };
        error.map_or_else(String::new, |error| error.to_string_lossy().into_owned())
    }

    /// Makes a watcher over `SIGCHLD`.
    pub(crate) fn by_sigchld(self) -> Option<TheirWatcher> {
        self.wrap((self.by_sigchld)())
    }

    /// Makes a watcher over pidfds.
    pub(crate) fn by_pidfd(self) -> Option<TheirWatcher> {
        self.wrap((self.by_pidfd)())
    }

    fn wrap(self, watcher: *mut c_void) -> Option<TheirWatcher> {
        let watcher = NonNull::new(watcher)?;
        let library = self;
        Some(TheirWatcher { library, watcher })
    }
}

impl TheirWatcher {
    /// Watches a process, and has its status sent.
    ///
    /// # Panics
    ///
    /// If the watcher does not take the process.
    pub(crate) fn watch(&self, pid: Pid, tell: Sender<Option<ExitStatus>>) {
        let data = Box::into_raw(Box::new(tell));
        // SAFETY: the watcher is the library's, and lives. A sender may be used on any
        // thread.
        let answer =
            unsafe { (self.library.watch)(self.watcher.as_ptr(), pid.as_raw(), send, data.cast()) };
        assert_eq!(answer, 0, "the second copy does not take {pid}");
    }
}

extern "C" fn send(data: *mut c_void, _pid: c_int, status: c_int) {
    // SAFETY: the data came from a box in `watch`. A callback runs once.
    let tell = unsafe { Box::from_raw(data.cast::<Sender<Option<ExitStatus>>>()) };
    // After a failure, the receiver is gone.
    let _ = tell.send((status != -1).then(|| ExitStatus::from_raw(status)));
}

impl Drop for TheirWatcher {
    fn drop(&mut self) {
        // SAFETY: the watcher is the library's, and is not used any more.
        unsafe { (self.library.drop)(self.watcher.as_ptr()) };
    }
}
