//! [`Feature`]: what a backend may offer, and need not.

/// Something that not every backend offers. A backend that does not offer a feature gives the
/// reason. A case that needs the feature is then unsupported, with that reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// The backend's processes are the kernel's, with signals, threads and an exec.
    RealProcesses,
    /// The backend watches processes that are not children.
    NonChildren,
    /// The backend refuses processes that are not children.
    ChildrenOnly,
    /// The backend listens to `SIGCHLD`.
    ChildSignal,
    /// The backend reports an exit also if no signal for it arrives.
    SilentExits,
    /// As long as a process is registered, it costs one file descriptor or more.
    FilePerProcess,
    /// A registration is refused while no file descriptor is free. It may need one for a moment
    /// only.
    FileToRegister,
    /// Between the calls of the program, the backend opens no files, not even for a moment.
    NoFilesInBetween,
    /// The backend works where `/proc` is missing, hides processes, or belongs to another pid
    /// namespace.
    WithoutProc,
    /// What one exit costs does not grow with the number of watched processes, and between exits
    /// they cost no processor time.
    CheapExits,
    /// The backend leaves the process's signal handlers alone.
    NoSignalHandler,
    /// The backend needs no other handler of `SIGCHLD` than a case installs.
    NoHandlerOfTheProgram,
    /// The backend leaves the process's signal handlers alone until it watches a process that
    /// needs one. The first process that it watches needs none.
    NoHandlerAtFirst,
    /// The backend watches by pidfds alone. Its constructor fails if `pidfd_open` or
    /// `waitid(P_PIDFD)` is refused. A registration fails if a call that it needs is refused: it
    /// need not use epoll.
    PidfdsOnly,
    /// The backend watches processes where pidfds are refused.
    WithoutPidfds,
    /// The backend registers the process of a pidfd, and returns the pidfd of a process that was
    /// registered so.
    Pidfds,
    /// The backend sends signals to processes that are registered.
    Signals,
    /// The backend reports the status of a child that was reaped before the watcher could look.
    /// The kernel tells it from Linux 6.15 on, so a backend does not offer it before. Cases ask
    /// for it too where they accept an unknown status from others.
    StatusAfterReaping,
    /// A watcher can be created that returns the resource usage of a child.
    ResourceUsage,
    /// A watcher can be created that tells when a process has been reaped.
    UntilReaped,
    /// While the backend watches, a program that receives `SIGCHLD` by `signalfd` or
    /// `sigwaitinfo` continues to receive it.
    SignalsLeft,
    /// The program receives `SIGCHLD` by itself and forwards it to the backend, as
    /// [`Forwarding`](crate::kit::sys::forwarding::Forwarding) does.
    Forwarding,
    /// A program has no thread more while it has a watcher from
    /// [`watcher`](crate::BackendUnderTest::watcher). A driven backend does not offer this: its
    /// watchers have no thread, but the cases drive them by a [`Loop`](crate::kit::looped::Loop),
    /// which starts one.
    NoThread,
    /// The backend has a driver, and the program runs the callbacks by it.
    Driver,
    /// The backend reports an exit in time also if every thread of the program blocks `SIGCHLD`.
    BlockedSignals,
    /// Callbacks run on a thread of the backend's own, which the backend starts. Between callbacks
    /// this thread blocks signals.
    OwnThread,
}
