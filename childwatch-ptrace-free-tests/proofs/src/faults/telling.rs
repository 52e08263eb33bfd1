//! The third and fourth phase of a [`Life`]: telling of exits, at once and late.

use super::call::Hides;
use super::children::{Children, Watched};
use super::observed::Told;
use super::scenario::Life;
use super::table::GET_INFO;
use super::when::Phase;
use childwatch_ptrace_free_tests::kit::child::End;
use childwatch_ptrace_free_tests::kit::deadline::until;
use childwatch_ptrace_free_tests::kit::probe::{Gate, Probe};

/// Failures after which it is plain that exits are hidden for as long as they last.
const PLAINLY_HIDDEN: u32 = 4;

impl Life {
    pub(super) fn exits_are_told(&mut self, children: &mut Children, gate: &Gate) {
        let Children {
            held,
            told: [first, second, last],
            reaped_first,
            ..
        } = children;
        for child in [&*first, &*second] {
            child.child.die(End::Code(child.code));
            self.tells(child);
        }
        // While the watcher's thread stays in a callback, another child comes and goes.
        last.child.die(End::Code(last.code));
        if last.is_registered {
            gate.wait_until_reached();
        }
        reaped_first.child.die(End::Code(reaped_first.code));
        reaped_first.reap_and_check();
        gate.open();
        self.tells(last);
        self.await_report_unless_reaped(reaped_first);
        held.child.die(End::Code(held.code));
        self.tells(held);
    }

    /// All exit, and cannot be reported until the fault is over.
    pub(super) fn exits_are_hidden(&mut self, children: &mut Children) {
        self.during(Phase::Telling, |life| {
            let before = life.board.failed();
            for child in children.to_be_told() {
                child.child.die(End::Code(child.code));
            }
            children.reaped_first.reap_and_check();
            until("calls that are refused again and again", || {
                let mut children = children.to_be_told();
                life.board.failed() >= before + PLAINLY_HIDDEN
                    || children.all(|child| !child.is_registered || child.probe.runs() > 0)
            });
        });
        let is_partly_hidden = self.hides() == Hides::Some;
        if self.lasts_for_good() {
            self.observed.is_told = Told::Never { is_partly_hidden };
            return;
        }
        self.observed.is_told = Told::Afterwards { is_partly_hidden };
        self.await_report_unless_reaped(&children.reaped_first);
        for child in children.told.iter().chain([&children.held]) {
            self.tells(child);
        }
    }

    pub(super) fn late_callbacks(&mut self, held: &Watched) {
        let was_told = held.probe.runs() > 0;
        if !held.is_registered || !was_told {
            return;
        }
        let mut again = 0;
        let mut since = held.waits();
        self.during(Phase::Late, |life| {
            for _ in 0..3 {
                // So that it has to be woken.
                life.waits_again(since);
                let now = life.board.waits();
                if life.tells_late(held) {
                    since = now;
                } else {
                    again += 1;
                }
            }
        });
        if !self.lasts_for_good() {
            for _ in 0..again {
                assert!(self.tells_late(held), "refused when the fault is over");
            }
        }
    }

    /// Whether a late callback is accepted; it has run then.
    fn tells_late(&mut self, held: &Watched) -> bool {
        let probe = Probe::new();
        let (pid, callback) = (held.child.pid(), probe.callback());
        let failed = self.board.failed();
        let accepted = self
            .driver
            .watcher("registering a late callback", move |watcher| {
                watcher.register_callback(pid, callback)
            });
        match accepted {
            Ok(_) => {
                probe.ran_once();
                self.observed.needed_no_wake |=
                    self.is_wake_refused() && self.board.failed() > failed;
                true
            }
            Err(error) => {
                assert!(probe.captures_are_dropped());
                assert_eq!(probe.runs(), 0);
                let kind = self.kind(&error, Some(pid));
                self.observed.no_late_callback.insert(kind);
                false
            }
        }
    }

    /// Waits until an accepted exit has been told, once and truly.
    #[track_caller]
    pub(super) fn tells(&mut self, watched: &Watched) {
        if !watched.is_registered {
            return;
        }
        let exit = watched.probe.ran_once();
        assert_eq!(exit.pid(), watched.child.pid());
        match exit.status() {
            Some(status) => assert_eq!(status.code(), Some(watched.code.into()), "a wrong status"),
            None => self.observed.has_no_status = true,
        }
    }

    /// The same of a child that the program has reaped before: its status may be unknown,
    /// which is worth a word only where it is what was asked for.
    #[track_caller]
    fn await_report_unless_reaped(&mut self, watched: &Watched) {
        let had_no_status = self.observed.has_no_status;
        self.tells(watched);
        if self.fault.is_none_or(|fault| fault.call.name != GET_INFO) {
            self.observed.has_no_status = had_no_status;
        }
    }

    fn hides(&self) -> Hides {
        let backend = self.backend.name();
        self.fault
            .map_or(Hides::Nothing, |fault| fault.call.hides_with(backend))
    }
}
