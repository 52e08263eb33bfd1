//! [`Program`] and its parts: what its threads and callbacks do.

/// What some threads do, each with its steps.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// A list of steps for each thread.
    pub threads: Vec<Vec<Step>>,
}

/// One of a program's children, by its place. Successive children may have the place, one
/// after the other, and where it can be done they have one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u8);

/// One step of a thread or of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The place's next child, if the last one has been reaped. A callback makes none.
    /// Where a backend goes by start times, it is watched at once.
    Spawn(Place),
    /// Lets the child exit with a code, and does not wait for it.
    LetGo(Place),
    /// The same by a signal.
    Kill(Place),
    /// Stops the child. If it is let go now, it does not exit until it is continued.
    Stop(Place),
    /// Continues it.
    Continue(Place),
    /// Has the child exit, and waits until it is dead.
    Die(Place),
    /// The same, and reaps it.
    Reap(Place),
    /// `register_pid`.
    Register(Place),
    /// `unregister_pid`.
    Unregister(Place),
    /// `register_callback`.
    Callback(Place, Body),
    /// `watch`.
    Watch(Place, Body),
    /// `try_wait`.
    Poll(Place),
    /// `unregister_callback` of the callback with this number, if it has been registered.
    Cancel(u8),
    /// Drops the watcher. Calls that come later are left out.
    Drop,
}

/// What a callback does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Its steps.
    pub steps: Vec<Step>,
    /// Whether it panics then.
    pub panics: bool,
}

impl Step {
    pub(super) fn body(&self) -> Option<&Body> {
        match self {
            Step::Callback(_, body) | Step::Watch(_, body) => Some(body),
            _ => None,
        }
    }

    /// How many callbacks it may make, and those it may.
    pub(super) fn callbacks(&self) -> usize {
        match self {
            Step::Spawn(_) => 1,
            Step::Callback(_, body) | Step::Watch(_, body) => 1 + callbacks_of(&body.steps),
            _ => 0,
        }
    }

    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Step::Spawn(place)
            | Step::LetGo(place)
            | Step::Kill(place)
            | Step::Stop(place)
            | Step::Continue(place)
            | Step::Die(place)
            | Step::Reap(place)
            | Step::Register(place)
            | Step::Unregister(place)
            | Step::Poll(place)
            | Step::Callback(place, _)
            | Step::Watch(place, _) => Some(*place),
            Step::Cancel(_) | Step::Drop => None,
        }
    }
}

impl Program {
    /// Every step, a callback's own after it.
    pub(super) fn steps(&self) -> Vec<&Step> {
        fn add<'a>(steps: &'a [Step], all: &mut Vec<&'a Step>) {
            for step in steps {
                all.push(step);
                if let Some(body) = step.body() {
                    add(&body.steps, all);
                }
            }
        }
        let mut all = Vec::new();
        for thread in &self.threads {
            add(thread, &mut all);
        }
        all
    }

    pub(super) fn places(&self) -> usize {
        let highest = self.steps().iter().filter_map(|step| step.place()).max();
        highest.map_or(0, |Place(place)| usize::from(place) + 1)
    }

    pub(super) fn callbacks(&self) -> usize {
        self.threads.iter().map(|steps| callbacks_of(steps)).sum()
    }
}

pub(super) fn callbacks_of(steps: &[Step]) -> usize {
    steps.iter().map(Step::callbacks).sum()
}
