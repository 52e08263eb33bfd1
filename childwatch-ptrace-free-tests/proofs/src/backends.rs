//! The workspace's own backends, as the suite sees them.

use std::error::Error;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use childwatch_core::source::{
    ExitSource, PollableSource, Report, ThreadedWatcher, Token, delegate_pid_watcher,
};
use childwatch_core::{
    DrivenWatcher, FallbackWatcher, Pid, PidWatcher, SimulatedProcesses, SimulatedWatcher,
    WatchError,
};
use childwatch_pidfd::{PidfdSource, PidfdWatcher};
use childwatch_sigchld::{Forwarder, SigchldSource, SigchldWatcher};

use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Feature;
use childwatch_ptrace_free_tests::kit::child::{Nursery, SimulatedNursery};
use childwatch_ptrace_free_tests::kit::driven::Driven;
use childwatch_ptrace_free_tests::kit::looped::Loop;
use childwatch_ptrace_free_tests::kit::sys::forwarding::Forwarding;
use childwatch_ptrace_free_tests::kit::sys::permits;

/// Every backend of this workspace.
pub static ALL: &[&dyn BackendUnderTest] = &[
    &Pidfd,
    &Sigchld,
    &WithoutHeartbeat,
    &Forwarded,
    &PidfdOrSigchld,
    &Simulated,
    &PidfdDriven,
    &SigchldDriven,
    &DrivenWithoutHeartbeat,
    &FallbackDriven,
    &SimulatedDriven,
];

/// Why a backend does not offer [`Feature::NoThread`].
const A_THREAD: &str = "it has a thread";

/// Why a backend does not offer [`Feature::Driver`].
const ITS_OWN_THREAD: &str = "its own thread drives it";

/// `childwatch-pidfd`.
#[derive(Clone, Copy, Debug)]
pub struct Pidfd;

impl BackendUnderTest for Pidfd {
    fn name(&self) -> &'static str {
        "pidfd"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(PidfdWatcher::new()?))
    }

    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(PidfdWatcher::new()?.with_resource_usage()))
    }

    fn watcher_until_reaped(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(PidfdWatcher::until_reaped()?))
    }

    fn is_available(&self) -> Result<(), String> {
        let verdict = childwatch_pidfd::probe().check();
        verdict.map_err(|error| describe(&error))
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        match feature {
            Feature::ChildrenOnly => Err("it watches any process".to_owned()),
            Feature::ChildSignal => Err("it does not listen to SIGCHLD".to_owned()),
            Feature::WithoutPidfds => Err("it watches by pidfds alone".to_owned()),
            Feature::Forwarding => Err("it does not listen to SIGCHLD".to_owned()),
            Feature::StatusAfterReaping => tells_statuses_after_reaping(),
            Feature::UntilReaped => {
                let verdict = childwatch_pidfd::probe().check_until_reaped();
                verdict.map_err(|error| describe(&error))
            }
            Feature::NoThread => Err(A_THREAD.to_owned()),
            Feature::Driver => Err(ITS_OWN_THREAD.to_owned()),
            _ => Ok(()),
        }
    }
}

/// `childwatch-sigchld`.
#[derive(Clone, Copy, Debug)]
pub struct Sigchld;

impl BackendUnderTest for Sigchld {
    fn name(&self) -> &'static str {
        "sigchld"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(SigchldWatcher::new()?))
    }

    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(SigchldWatcher::new()?.with_resource_usage()))
    }

    fn is_available(&self) -> Result<(), String> {
        let verdict = childwatch_sigchld::probe().check();
        verdict.map_err(|error| describe(&error))
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        match feature {
            Feature::NonChildren => Err("it watches children only".to_owned()),
            Feature::FilePerProcess | Feature::FileToRegister => {
                Err("it needs no file descriptor".to_owned())
            }
            Feature::NoFilesInBetween => Err("it reads files in /proc".to_owned()),
            Feature::Pidfds => Err("it has no pidfds".to_owned()),
            Feature::UntilReaped => Err("a reaping sends no signal".to_owned()),
            Feature::NoSignalHandler => Err("it listens to SIGCHLD".to_owned()),
            Feature::NoHandlerAtFirst => Err("its first process needs the handler".to_owned()),
            Feature::PidfdsOnly => Err("it needs no pidfds".to_owned()),
            Feature::StatusAfterReaping => Err("its last word on a status is waitid's".to_owned()),
            Feature::SignalsLeft => Err("its handler takes the signals".to_owned()),
            Feature::Forwarding => Err("its handler is told by the kernel".to_owned()),
            Feature::NoThread => Err(A_THREAD.to_owned()),
            Feature::Driver => Err(ITS_OWN_THREAD.to_owned()),
            _ => Ok(()),
        }
    }

    /// A tick, as `/proc` shows it. See "Where this backend differs" in the crate's
    /// documentation.
    fn unit_of_start_times(&self) -> Duration {
        Duration::from_millis(10)
    }
}

/// `childwatch-sigchld` without its heartbeat. Only this suite can make it.
///
/// A heartbeat finds each exit within about a second. So it hides a lost signal, wake-up
/// or look from every case. Without the heartbeat such an exit is never reported.
#[derive(Clone, Copy, Debug)]
pub struct WithoutHeartbeat;

impl BackendUnderTest for WithoutHeartbeat {
    fn name(&self) -> &'static str {
        "sigchld-no-heartbeat"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        let (source, waiter) = SigchldSource::without_heartbeat_for_tests()?;
        Ok(Box::new(ThreadedWatcher::start(source, waiter)?))
    }

    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        let (source, waiter) = SigchldSource::without_heartbeat_for_tests()?;
        let watcher = ThreadedWatcher::start(source, waiter)?;
        Ok(Box::new(watcher.with_resource_usage()))
    }

    fn is_available(&self) -> Result<(), String> {
        Sigchld.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        match feature {
            Feature::SilentExits => Err("it has no heartbeat, so it needs a signal".to_owned()),
            _ => Sigchld.offers(feature),
        }
    }

    fn unit_of_start_times(&self) -> Duration {
        Sigchld.unit_of_start_times()
    }
}

/// `childwatch-sigchld` in a program that owns `SIGCHLD`: the program's handler forwards
/// it.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded;

impl BackendUnderTest for Forwarded {
    fn name(&self) -> &'static str {
        "forwarded"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        let (watcher, forwarder) = SigchldWatcher::with_forwarder()?;
        Ok(Box::new(WithItsProgram::new(watcher, forwarder)))
    }

    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        let (watcher, forwarder) = SigchldWatcher::with_forwarder()?;
        let watcher = watcher.with_resource_usage();
        Ok(Box::new(WithItsProgram::new(watcher, forwarder)))
    }

    fn is_available(&self) -> Result<(), String> {
        Sigchld.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        match feature {
            Feature::ChildSignal => Err("the program owns SIGCHLD".to_owned()),
            Feature::NoSignalHandler | Feature::NoHandlerOfTheProgram => {
                Err("the program has a handler of SIGCHLD".to_owned())
            }
            Feature::SignalsLeft | Feature::Forwarding => Ok(()),
            _ => Sigchld.offers(feature),
        }
    }

    fn unit_of_start_times(&self) -> Duration {
        Sigchld.unit_of_start_times()
    }
}

/// The watcher, and the part of the program that forwards signals to it. The watcher is
/// dropped first.
#[derive(Debug)]
struct WithItsProgram {
    watcher: SigchldWatcher,
    _forwarding: Forwarding,
}

impl WithItsProgram {
    fn new(watcher: SigchldWatcher, forwarder: Forwarder) -> Self {
        WithItsProgram {
            watcher,
            _forwarding: Forwarding::to(move |pid, code, status| {
                forwarder.notify_child(pid, code, status);
            }),
        }
    }
}

delegate_pid_watcher!(impl for WithItsProgram, |this| this.watcher);

/// `FallbackWatcher` of `childwatch-core`, from pidfds to `SIGCHLD`. Every second process
/// spills over, as if file descriptors had run out for it.
#[derive(Clone, Copy, Debug)]
pub struct PidfdOrSigchld;

impl BackendUnderTest for PidfdOrSigchld {
    fn name(&self) -> &'static str {
        "fallback"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        let (pidfd, waiter) = PidfdSource::new()?;
        let primary = (EverySecond::new(pidfd), waiter);
        Ok(Box::new(FallbackWatcher::new(
            primary,
            SigchldSource::new()?,
        )?))
    }

    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        let (pidfd, waiter) = PidfdSource::new()?;
        let primary = (EverySecond::new(pidfd), waiter);
        let watcher = FallbackWatcher::new(primary, SigchldSource::new()?)?;
        Ok(Box::new(watcher.with_resource_usage()))
    }

    fn is_available(&self) -> Result<(), String> {
        Sigchld.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        match feature {
            Feature::NonChildren => Err("a process that spills over must be a child".to_owned()),
            Feature::FilePerProcess | Feature::FileToRegister => {
                Err("what finds no file descriptor spills over".to_owned())
            }
            Feature::NoFilesInBetween => Sigchld.offers(feature),
            Feature::NoSignalHandler => Err("it listens to SIGCHLD".to_owned()),
            Feature::PidfdsOnly => Err("what can't have a pidfd spills over".to_owned()),
            Feature::StatusAfterReaping => {
                Err("what spills over is told without a status, once it is reaped".to_owned())
            }
            Feature::SignalsLeft
            | Feature::Forwarding
            | Feature::NoThread
            | Feature::Driver
            | Feature::UntilReaped => Sigchld.offers(feature),
            // Every process spills over, the first too. A pidfd has nowhere to spill to.
            Feature::NoHandlerAtFirst | Feature::Pidfds => Pidfd.is_available(),
            // The half that pidfds watch does not need it.
            Feature::ChildrenOnly => Err("it watches any process that does not spill".to_owned()),
            _ => Ok(()),
        }
    }

    fn unit_of_start_times(&self) -> Duration {
        Sigchld.unit_of_start_times()
    }
}

/// Whether the kernel tells the status of a reaped process (Linux 6.15), and lets itself be
/// asked.
fn tells_statuses_after_reaping() -> Result<(), String> {
    permits::kernel_is_at_least(6, 15)
        .map_err(|release| format!("Linux {release} keeps no status of a reaped process"))?;
    childwatch_pidfd::probe()
        .get_info
        .map_err(|error| format!("PIDFD_GET_INFO is not to be had here: {error}"))
}

/// A source that has no room for every second process.
#[derive(Debug)]
pub struct EverySecond<S> {
    source: S,
    asked: AtomicUsize,
}

impl<S> EverySecond<S> {
    /// A source that takes the first process, and then every second one.
    pub fn new(source: S) -> Self {
        EverySecond {
            source,
            asked: AtomicUsize::new(0),
        }
    }
}

impl<S: ExitSource> ExitSource for EverySecond<S> {
    type Waiter = S::Waiter;

    const THREAD_NAME: &'static str = S::THREAD_NAME;

    fn start(&self, waiter: &mut S::Waiter) {
        self.source.start(waiter);
    }

    fn ask_for_resource_usage(&self) {
        self.source.ask_for_resource_usage();
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
            return self.source.arm(pid, token);
        }
        Err(WatchError::ResourceLimit {
            operation: "a source with room for every second process",
            pid: Some(pid),
            source: io::ErrorKind::Other.into(),
        })
    }

    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.source.pid_of(pidfd)
    }

    fn arm_pidfd(&self, pid: Pid, pidfd: BorrowedFd<'_>, token: Token) -> Result<(), WatchError> {
        self.source.arm_pidfd(pid, pidfd, token)
    }

    fn pidfd(&self, pid: Pid, token: Token) -> Result<OwnedFd, WatchError> {
        self.source.pidfd(pid, token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        self.source.send_signal(pid, token, signal)
    }

    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn wait(&self, waiter: &mut S::Waiter, reports: &mut Vec<Report>) -> io::Result<()> {
        self.source.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.source.wake()
    }
}

impl<S: PollableSource> PollableSource for EverySecond<S> {
    fn descriptor<'a>(&'a self, waiter: &'a S::Waiter) -> BorrowedFd<'a> {
        self.source.descriptor(waiter)
    }

    fn collect(&self, waiter: &mut S::Waiter, reports: &mut Vec<Report>) -> io::Result<()> {
        self.source.collect(waiter, reports)
    }
}

/// An error and what it came from, in one line.
fn describe(error: &WatchError) -> String {
    // What is short now is no less supported for it.
    let kind = match error {
        WatchError::ResourceLimit { .. } => "supported, but not to be had now: ",
        _ => "",
    };
    match error.source() {
        Some(source) => format!("{kind}{error}: {source}"),
        None => format!("{kind}{error}"),
    }
}

/// `SimulatedWatcher` of `childwatch-core`.
#[derive(Clone, Copy, Debug)]
pub struct Simulated;

impl Simulated {
    /// One process table for all watchers: a cell is a process of its own.
    fn processes() -> &'static SimulatedProcesses {
        static PROCESSES: std::sync::OnceLock<SimulatedProcesses> = std::sync::OnceLock::new();
        PROCESSES.get_or_init(SimulatedProcesses::new)
    }
}

impl BackendUnderTest for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(SimulatedWatcher::new(Self::processes())?))
    }

    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        self.watcher()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        match feature {
            Feature::NoSignalHandler
            | Feature::NoHandlerAtFirst
            | Feature::NoHandlerOfTheProgram
            | Feature::SignalsLeft
            | Feature::NoFilesInBetween
            | Feature::WithoutProc
            | Feature::CheapExits
            | Feature::OwnThread
            | Feature::Signals
            | Feature::BlockedSignals
            | Feature::ResourceUsage
            | Feature::StatusAfterReaping => Ok(()),
            Feature::Driver => Err(ITS_OWN_THREAD.to_owned()),
            _ => Err("its processes exist only in memory".to_owned()),
        }
    }

    fn nursery(&self) -> Box<dyn Nursery> {
        Box::new(SimulatedNursery(Self::processes().clone()))
    }
}

/// Makes a backend of another one: what its processes are, and what it offers besides a thread,
/// is the same.
macro_rules! driven {
    (
        $(#[$doc:meta])* $name:ident = $text:literal, like $like:ident, made by $make:expr
        $(, and until reaped by $make_until:expr)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl BackendUnderTest for $name {
            fn name(&self) -> &'static str {
                $text
            }

            fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
                Loop::start(self.driven()?)
            }

            fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
                let (watcher, driver) = $make?;
                Loop::start(Driven::new((watcher.with_resource_usage(), driver)))
            }

            $(
                fn watcher_until_reaped(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
                    Loop::start($make_until)
                }
            )?

            fn driven(&self) -> Result<Driven, WatchError> {
                Ok(Driven::new($make?))
            }

            fn is_available(&self) -> Result<(), String> {
                $like.is_available()
            }

            fn offers(&self, feature: Feature) -> Result<(), String> {
                match feature {
                    Feature::Driver | Feature::SignalsLeft => Ok(()),
                    Feature::BlockedSignals if $like.offers(Feature::ChildSignal).is_ok() => Err(
                        "it changes no mask, so only a heartbeat finds such an exit".to_owned(),
                    ),
                    Feature::OwnThread => Err("a loop of the program's drives it".to_owned()),
                    _ => $like.offers(feature),
                }
            }

            fn nursery(&self) -> Box<dyn Nursery> {
                $like.nursery()
            }

            fn unit_of_start_times(&self) -> Duration {
                $like.unit_of_start_times()
            }
        }
    };
}

driven! {
    /// `PidfdWatcher::driven`.
    PidfdDriven = "pidfd-driven", like Pidfd, made by PidfdWatcher::driven(),
    and until reaped by {
        let (source, waiter) = PidfdSource::until_reaped()?;
        Driven::new(DrivenWatcher::new(source, waiter))
    }
}

driven! {
    /// `SigchldWatcher::driven`.
    SigchldDriven = "sigchld-driven", like Sigchld, made by SigchldWatcher::driven()
}

driven! {
    /// The same without its heartbeat, which hides a lost event within a second.
    DrivenWithoutHeartbeat = "sigchld-driven-no-heartbeat", like WithoutHeartbeat,
    made by {
        let source = SigchldSource::pollable_without_heartbeat_for_tests();
        source.map(|(source, waiter)| DrivenWatcher::new(source, waiter))
    }
}

driven! {
    /// `FallbackWatcher::driven`, from pidfds to `SIGCHLD`. Every second process spills over.
    FallbackDriven = "fallback-driven", like PidfdOrSigchld,
    made by {
        let (pidfd, waiter) = PidfdSource::new()?;
        let primary = (EverySecond::new(pidfd), waiter);
        FallbackWatcher::driven(primary, SigchldSource::pollable()?)
    }
}

driven! {
    /// `SimulatedWatcher::driven`.
    SimulatedDriven = "simulated-driven", like Simulated,
    made by SimulatedWatcher::driven(Simulated::processes())
}
