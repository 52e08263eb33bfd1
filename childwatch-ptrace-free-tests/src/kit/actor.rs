//! Actors: children that do what a forked copy can't do soundly, such as having
//! threads or running another program.
//!
//! An actor is this same program, started anew with [`ACTOR_FLAG`] and a role. It
//! talks over its standard input and output: one line each way is one step.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use childwatch_core::Pid;

use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::sys::{birth, death, permits, signals, threads};
use crate::kit::{deadline, own_proc};

/// The first argument of a program that is to be an actor; role and details
/// follow.
pub const ACTOR_FLAG: &str = "--childwatch-actor";

/// What a waiting actor says first, with its number.
const READY: &str = "ready ";

/// The processor time that [`Role::UseResources`] takes at least.
pub(crate) const USED_TIME: Duration = Duration::from_millis(20);

/// The bytes of memory that [`Role::UseResources`] writes.
pub(crate) const USED_MEMORY: usize = 32 << 20;

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Says `ready` and its number, waits for the end of its input, and exits with
    /// code 7.
    Wait,
    /// At a line, its first thread ends while another lives on, which says so, waits for the
    /// end of the input, and exits with code 7.
    LeaderExits,
    /// At a line, a thread other than the first executes this program anew, as `Wait`.
    ExecFromThread,
    /// Starts an actor to `Wait` on the same input and output, and exits.
    LeaveOrphan,
    /// Has a child, whose number it prints; at a line it lets it exit with code 5
    /// and says `dead`; at the next it reaps it and says `reaped`.
    KeepChild,
    /// Prints what its file descriptors lead to, a line each.
    ListFds,
    /// Traces the process in its next argument; reaps it, as a tracer does, when
    /// it reads a line.
    Trace,
    /// Exits with the code in its next argument.
    Exit,
    /// Prints the lines of `/proc/self/status` about blocked and ignored signals.
    ListSignals,
    /// Says `ready` and its number, and executes this program anew at a line, as `Wait`.
    ExecAtCue,
    /// Uses processor time and memory, and then does as `Wait`.
    UseResources,
}

impl Role {
    const ALL: &[Role] = &[
        Role::Wait,
        Role::LeaderExits,
        Role::ExecFromThread,
        Role::LeaveOrphan,
        Role::KeepChild,
        Role::ListFds,
        Role::Trace,
        Role::Exit,
        Role::ListSignals,
        Role::ExecAtCue,
        Role::UseResources,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Role::Wait => "wait",
            Role::LeaderExits => "leader-exits",
            Role::ExecFromThread => "exec-from-thread",
            Role::LeaveOrphan => "leave-orphan",
            Role::KeepChild => "keep-child",
            Role::ListFds => "list-fds",
            Role::Trace => "trace",
            Role::Exit => "exit",
            Role::ListSignals => "list-signals",
            Role::ExecAtCue => "exec-at-cue",
            Role::UseResources => "use-resources",
        }
    }

    /// A command that starts an actor of this role.
    ///
    /// # Panics
    ///
    /// When this program's own file can't be found.
    #[must_use]
    pub fn command(self) -> Command {
        let mut command = Command::new(own_proc::this_program());
        command
            .args([ACTOR_FLAG, self.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    /// Plays the role in this process.
    pub(crate) fn play(self) -> ! {
        match self {
            Role::Wait => wait_for_end_of_input(),
            Role::LeaderExits => leader_exits(),
            Role::ExecFromThread => exec_from_thread(),
            Role::LeaveOrphan => leave_orphan(),
            Role::KeepChild => keep_child(),
            Role::ListFds => list_fds(),
            Role::Trace => trace(),
            Role::Exit => exit(),
            Role::ListSignals => list_signals(),
            Role::ExecAtCue => exec_at_cue(),
            Role::UseResources => use_resources(),
        }
    }
}

/// A running actor. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts an actor.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self::direct(command.spawn().expect("an actor"))
    }

    /// Directs a child that was started from [`Role::command`].
    ///
    /// # Panics
    ///
    /// When its input and output are not pipes.
    #[must_use]
    pub fn direct(mut child: Child) -> Self {
        let input = child.stdin.take();
        let output = child.stdout.take().expect("an actor's output is a pipe");
        Actor {
            child,
            input,
            output: BufReader::new(output),
        }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from(&self.child)
    }

    /// Its next line, without the line's end.
    ///
    /// # Panics
    ///
    /// When it has ended instead.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("an actor's output");
        assert!(read > 0, "the actor ended instead of answering");
        line.trim_end().to_owned()
    }

    /// Waits until it is ready; the number of the process that says so.
    ///
    /// # Panics
    ///
    /// When it says something else.
    #[track_caller]
    pub fn wait_until_ready(&mut self) -> Pid {
        let line = self.line();
        line.strip_prefix(READY)
            .and_then(|pid| pid.parse().ok())
            .unwrap_or_else(|| panic!("{line:?} instead of being ready"))
    }

    /// All that it says until it ends.
    ///
    /// # Panics
    ///
    /// When that can't be read.
    pub fn all_lines(&mut self) -> Vec<String> {
        (&mut self.output)
            .lines()
            .map(|line| line.expect("an actor's output"))
            .collect()
    }

    /// Gives it a line.
    pub fn cue(&mut self) {
        if let Some(input) = &mut self.input {
            // EPIPE: it has ended, which the case will see.
            let _ = input.write_all(b"\n");
        }
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// The child itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.end_input();
        // Both may fail only when it has been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The role that this process was started to play, if it was.
pub(crate) fn from_args() -> Option<Role> {
    let mut args = env::args().skip(1);
    if args.next()? != ACTOR_FLAG {
        return None;
    }
    let name = args.next()?;
    Role::ALL.iter().copied().find(|role| role.name() == name)
}

fn say(line: &str) {
    println!("{line}");
    // A closed pipe means that the director no longer reads.
    let _ = io::stdout().flush();
}

/// Reads a line. The end of the input counts as one: the director has gone.
fn await_cue() {
    let _ = io::stdin().read_line(&mut String::new());
}

fn wait_for_end_of_input() -> ! {
    say(&format!("{READY}{}", std::process::id()));
    for line in io::stdin().lines() {
        if line.is_err() {
            break;
        }
    }
    std::process::exit(7)
}

fn leader_exits() -> ! {
    await_cue();
    let leader = threads::thread_id();
    thread::spawn(move || {
        let stat = format!("/proc/self/task/{leader}/stat");
        deadline::until("the leader is a zombie", || {
            fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "))
        });
        wait_for_end_of_input()
    });
    threads::exit_thread_only()
}

fn exec_from_thread() -> ! {
    await_cue();
    let executing = thread::spawn(|| waiter_on_same_pipes().exec());
    // Only a failed exec gives the thread back.
    let error = executing.join();
    panic!("exec: {error:?}")
}

fn leave_orphan() -> ! {
    waiter_on_same_pipes().spawn().expect("an actor");
    std::process::exit(0)
}

fn waiter_on_same_pipes() -> Command {
    let mut command = Role::Wait.command();
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit());
    command
}

fn keep_child() -> ! {
    let mut child = RealChild::fork(birth::Birth::default());
    say(&child.pid().to_string());
    await_cue();
    child.die(End::Code(5));
    say("dead");
    await_cue();
    child.reap();
    say("reaped");
    wait_for_end_of_input()
}

fn list_fds() -> ! {
    for entry in fs::read_dir("/proc/self/fd").expect("/proc is mounted") {
        let entry = entry.expect("an fd's entry");
        // The listing's own fd is gone by now.
        if let Ok(target) = fs::read_link(entry.path()) {
            say(&format!("{:?} {}", entry.file_name(), target.display()));
        }
    }
    std::process::exit(0)
}

fn trace() -> ! {
    let pid: Pid = env::args()
        .nth(3)
        .and_then(|pid| pid.parse().ok())
        .expect("the pid to trace");
    match permits::seize(pid) {
        Ok(()) => say("tracing"),
        Err(error) => say(&error.to_string()),
    }
    await_cue();
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    let reaped = rustix::process::waitpid(number, death::wall());
    say(&format!("{reaped:?}"));
    wait_for_end_of_input()
}

fn use_resources() -> ! {
    let memory = vec![1_u8; USED_MEMORY];
    let thread = threads::thread_id();
    // The kernel shows whole ticks, so one more is waited for.
    while threads::processor_time(thread) < USED_TIME + Duration::from_millis(10) {
        std::hint::black_box(&memory);
    }
    wait_for_end_of_input()
}

fn exit() -> ! {
    let code = env::args().nth(3).and_then(|code| code.parse().ok());
    std::process::exit(code.expect("the code to exit with"))
}

fn list_signals() -> ! {
    let lines = signals::signals_in_own_status(&["SigBlk:", "SigIgn:"]);
    lines.iter().for_each(|line| say(line));
    std::process::exit(0)
}

fn exec_at_cue() -> ! {
    say(&format!("{READY}{}", std::process::id()));
    await_cue();
    let error = waiter_on_same_pipes().exec();
    panic!("exec: {error:?}")
}
