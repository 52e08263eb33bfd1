//! A working directory that comes and goes.

/// An empty working directory, for what a process may leave in it (core files);
/// removed when dropped.
#[derive(Debug)]
pub(crate) struct TemporaryDirectory {
    path: std::path::PathBuf,
    before: std::path::PathBuf,
}

impl TemporaryDirectory {
    pub(crate) fn enter() -> Self {
        let name = format!("childwatch-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a temporary directory");
        let before = std::env::current_dir().expect("a working directory");
        std::env::set_current_dir(&path).expect("the new directory");
        TemporaryDirectory { path, before }
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = std::env::set_current_dir(&self.before);
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
