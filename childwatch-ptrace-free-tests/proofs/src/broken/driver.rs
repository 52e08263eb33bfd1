//! Watchers without a thread, whose driver or pollable source is broken.

use super::entry::Fails::{ByHanging, InVain, Saying};
use super::entry::{Broken, FailedLaw, Rule};
use crate::backends::PidfdDriven;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C3, C4, C5, C9, C10, C12, C15, C18};
use childwatch_ptrace_free_tests::kit::looped::Loop;
use drives::{
    BlocksSignals, DrivesAfterTheEnd, DrivesElsewhere, DrivesInCopies, LetsSignalsThrough,
    NeverDropped, PollsWhileItWaits, RefusesNested, TellsOneDriver, after_a_thread,
    drops_elsewhere, unregisters_by_waiting, with,
};
use polls::{
    AlwaysReadable, ForgetsLateCallbacks, NeverReadable, TellsInTheNext, WaitsInCollect, by_itself,
    leaves_no_edge, over,
};

mod drives;
mod polls;

/// What the broken drivers have in common.
const DRIVEN: Broken = Broken {
    name: "",
    fault: "",
    breaks: Rule::Clause(C4),
    built_on: &PidfdDriven,
    claims: &PidfdDriven,
    watcher: || PidfdDriven.watcher(),
    driven: || PidfdDriven.driven(),
    fails: &[],
    passes: &["two_drivers_in_one_loop_both_tell"],
    law: None,
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "never-readable",
        fault: "The descriptor of its source is one that nothing makes readable.",
        breaks: Rule::Law(10),
        watcher: || Loop::start(over::<NeverReadable>()?),
        driven: over::<NeverReadable>,
        fails: &[
            (
                "the_descriptor_is_readable_as_long_as_something_is_due",
                InVain("not within the patience: the exit is told"),
            ),
            ("codes_and_signals_are_told", ByHanging),
        ],
        passes: &[],
        law: Some(FailedLaw {
            test: "s10_an_exit_makes_the_descriptor_readable_before_the_arming_or_after",
            how: InVain("an exit is not reported"),
            source: by_itself::<NeverReadable>,
        }),
        ..DRIVEN
    },
    Broken {
        name: "always-readable",
        fault: "The descriptor of its source is always readable, so a loop spins.",
        breaks: Rule::Clause(C18),
        watcher: || Loop::start(over::<AlwaysReadable>()?),
        driven: over::<AlwaysReadable>,
        fails: &[(
            "nothing_is_readable_when_nothing_is_due",
            Saying("drives for 50 exits"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "polls-while-it-waits",
        fault: "It waits by poll, which fails at a limit of 0 files, and then does not look.",
        breaks: Rule::Clause(C18),
        watcher: || Loop::start(with::<PollsWhileItWaits>()?),
        driven: with::<PollsWhileItWaits>,
        fails: &[
            (
                "a_drive_waits_at_a_limit_of_no_files",
                Saying("Invalid argument"),
            ),
            (
                "a_drive_that_may_not_wait_runs_what_is_due",
                Saying("a late callback was due"),
            ),
        ],
        ..DRIVEN
    },
    Broken {
        name: "leaves-no-edge",
        fault: "What a drive leaves for the next one, the descriptor does not tell.",
        breaks: Rule::Law(11),
        watcher: || Loop::start(leaves_no_edge()?),
        driven: leaves_no_edge,
        fails: &[(
            "what_a_drive_leaves_is_told_by_the_descriptor",
            InVain("no event, and something is left"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "tells-in-the-next-drive",
        fault: "What it finds in a drive, it tells in the next one, and gives no edge for that.",
        breaks: Rule::Law(11),
        watcher: || Loop::start(over::<TellsInTheNext>()?),
        driven: over::<TellsInTheNext>,
        fails: &[(
            "the_descriptor_is_readable_as_long_as_something_is_due",
            InVain("not within the patience: the exit is told"),
        )],
        passes: &[],
        law: Some(FailedLaw {
            test: "s11_what_a_collection_leaves_makes_an_edge",
            how: InVain("no edge, and exits are left"),
            source: by_itself::<TellsInTheNext>,
        }),
        ..DRIVEN
    },
    Broken {
        name: "waits-in-collect",
        fault: "Its source waits where it must only look.",
        breaks: Rule::Law(12),
        watcher: || Loop::start(over::<WaitsInCollect>()?),
        driven: over::<WaitsInCollect>,
        fails: &[("a_drive_waits_no_longer_than_it_may", ByHanging)],
        law: Some(FailedLaw {
            test: "s12_a_collection_that_finds_nothing_returns",
            how: ByHanging,
            source: by_itself::<WaitsInCollect>,
        }),
        ..DRIVEN
    },
    Broken {
        name: "does-not-wake-its-drive",
        fault: "A call on another thread does not wake the drive that waits.",
        breaks: Rule::Clause(C5),
        watcher: || Loop::start(over::<ForgetsLateCallbacks>()?),
        driven: over::<ForgetsLateCallbacks>,
        fails: &[(
            "a_drive_that_waits_is_woken_by_a_call",
            InVain("the callback ran 0 times"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "drives-elsewhere",
        fault: "It drives on a thread of its own, and not on that of the call.",
        watcher: || Loop::start(with::<DrivesElsewhere>()?),
        driven: with::<DrivesElsewhere>,
        fails: &[(
            "callbacks_run_on_the_thread_that_drives",
            Saying("ThreadId"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "drives-with-signals-blocked",
        fault: "It blocks signals while callbacks run.",
        watcher: || Loop::start(with::<BlocksSignals>()?),
        driven: with::<BlocksSignals>,
        fails: &[(
            "callbacks_run_with_the_mask_of_the_thread_that_drives",
            Saying("the mask in a callback"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "lets-signals-through",
        fault: "While it drives, it lets `SIGCHLD` through, which the program has blocked.",
        breaks: Rule::Clause(C18),
        watcher: || Loop::start(with::<LetsSignalsThrough>()?),
        driven: with::<LetsSignalsThrough>,
        fails: &[("blocks-later", Saying("the program drives by itself"))],
        ..DRIVEN
    },
    Broken {
        name: "has-had-a-thread",
        fault: "It starts a thread when it is made, and joins it.",
        breaks: Rule::Clause(C18),
        watcher: || Loop::start(after_a_thread()?),
        driven: after_a_thread,
        fails: &[("forks-in-handlers", InVain("the copy did not end"))],
        ..DRIVEN
    },
    Broken {
        name: "tells-one-driver",
        fault: "Of the drivers of a process, only one is driven.",
        breaks: Rule::Clause(C3),
        watcher: || Loop::start(with::<TellsOneDriver>()?),
        driven: with::<TellsOneDriver>,
        fails: &[(
            "two_drivers_in_one_loop_both_tell",
            InVain("not within the patience: both tell"),
        )],
        passes: &["callbacks_run_on_the_thread_that_drives"],
        ..DRIVEN
    },
    Broken {
        name: "refuses-a-drive-in-a-drive",
        fault: "It takes the loop of another watcher, inside a callback, for its own.",
        breaks: Rule::Clause(C10),
        watcher: || Loop::start(with::<RefusesNested>()?),
        driven: with::<RefusesNested>,
        fails: &[("a_callback_may_drive_another_watcher", Saying("Stopped"))],
        ..DRIVEN
    },
    Broken {
        name: "unregisters-by-waiting",
        fault: "To unregister a callback that is due, it waits until somebody has driven it.",
        breaks: Rule::Clause(C9),
        watcher: || Loop::start(unregisters_by_waiting()?),
        driven: unregisters_by_waiting,
        fails: &[(
            "a_callback_that_nobody_drives_is_taken_out_at_once",
            ByHanging,
        )],
        ..DRIVEN
    },
    Broken {
        name: "outlives-its-driver",
        fault: "When its driver is dropped, it goes on to register what nobody will drive.",
        breaks: Rule::Clause(C12),
        watcher: || Loop::start(with::<NeverDropped>()?),
        driven: with::<NeverDropped>,
        fails: &[(
            "a_driver_that_is_dropped_first_ends_the_watcher",
            Saying("captures_are_dropped()"),
        )],
        passes: &[],
        ..DRIVEN
    },
    Broken {
        name: "drops-elsewhere",
        fault: "The drop of the watcher returns while a callback runs in `drive`.",
        breaks: Rule::Clause(C12),
        watcher: || PidfdDriven.watcher(),
        driven: drops_elsewhere,
        fails: &[(
            "the_drop_of_the_watcher_waits_for_a_callback_in_drive",
            Saying("the callback runs still"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "drives-after-the-end",
        fault: "When the watcher has been dropped, the loop is told that nothing was due.",
        breaks: Rule::Clause(C12),
        watcher: || Loop::start(with::<DrivesAfterTheEnd>()?),
        driven: with::<DrivesAfterTheEnd>,
        fails: &[
            (
                "a_watcher_that_is_dropped_first_ends_the_driver",
                Saying("Ok(0)"),
            ),
            (
                "a_watcher_dropped_in_its_callback_ends_the_driver",
                Saying("Ok(0)"),
            ),
        ],
        ..DRIVEN
    },
    Broken {
        name: "drives-in-copies",
        fault: "In a forked copy, the loop is told that nothing was due.",
        breaks: Rule::Clause(C15),
        watcher: || Loop::start(with::<DrivesInCopies>()?),
        driven: with::<DrivesInCopies>,
        fails: &[
            ("a_drive_in_a_copy_answers_forked", Saying("the copy's")),
            (
                "a_copy_made_in_a_driven_callback_goes_on",
                Saying("the copy's"),
            ),
        ],
        ..DRIVEN
    },
];
