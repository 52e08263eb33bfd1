//! The run of a program: its threads, its children and the watcher.

use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};

use super::history::{Answer, Call, Event, History, is_over, owed};
use super::resident::Resident;
use super::steps::{Body, Place, Program, Step, callbacks_of};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Stage;
use childwatch_ptrace_free_tests::kit::child::GatedChild;
use childwatch_ptrace_free_tests::kit::deadline::{self, patience};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::death;

/// Runs the program on this process's children.
pub(super) fn run(program: &Program, backend: &'static dyn BackendUnderTest) -> Arc<History> {
    let world = Arc::new(World::new(program, backend));
    thread::scope(|scope| {
        // A label is a callback's number in the program's text.
        let mut label = 0;
        for steps in &program.threads {
            let (world, first) = (&world, label);
            label += callbacks_of(steps);
            scope.spawn(move || world.take_steps(steps, first, None));
        }
    });
    world.finish();
    Arc::clone(&world.history)
}

struct World {
    backend: &'static dyn BackendUnderTest,
    can_choose_pids: bool,
    history: Arc<History>,
    /// `None` once it has been dropped.
    watcher: Mutex<Option<Arc<Watched>>>,
    /// Read-locked while a call means a child by its number, which no call waits for a
    /// callback in; write-locked while the child changes. So a callback that changes a
    /// child waits for calls, and no call for it.
    places: Vec<RwLock<Resident>>,
    /// The handle of each callback, once it is registered.
    handles: Vec<Mutex<Option<WatchHandle>>>,
    born: AtomicUsize,
    calls: AtomicUsize,
}

/// The watcher, whose drop is noted in the history.
struct Watched {
    watcher: Option<Box<dyn PidWatcher>>,
    history: Arc<History>,
}

impl Watched {
    fn get(&self) -> &dyn PidWatcher {
        let watcher = self.watcher.as_deref();
        watcher.expect("it is taken when this is dropped")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.history.note(Event::Dropping);
        self.watcher = None;
        self.history.note(Event::Dropped);
    }
}

impl World {
    fn new(program: &Program, backend: &'static dyn BackendUnderTest) -> Self {
        let history = Arc::new(History::default());
        let watched = Watched {
            watcher: Some(Stage::new(backend).watcher()),
            history: Arc::clone(&history),
        };
        let world = World {
            backend,
            can_choose_pids: backend.nursery().can_choose_pids().is_ok(),
            history,
            watcher: Mutex::new(Some(Arc::new(watched))),
            places: Vec::new(),
            handles: (0..program.callbacks()).map(|_| Mutex::default()).collect(),
            born: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        };
        let places = (0..program.places())
            .map(|_| RwLock::new(world.resident(backend.nursery().spawn(), 0)))
            .collect();
        World { places, ..world }
    }

    fn resident(&self, child: Box<dyn GatedChild>, predecessors: usize) -> Resident {
        let number = self.born.fetch_add(1, Ordering::SeqCst);
        let pid = child.pid();
        self.history.note(Event::Born { child: number, pid });
        Resident::new(child, number, predecessors)
    }

    /// `label` is the number of the first callback among the steps, and `within` that of
    /// the callback whose steps they are.
    fn take_steps(self: &Arc<Self>, steps: &[Step], mut label: usize, within: Option<usize>) {
        for step in steps {
            self.take(step, label, within);
            label += step.callbacks();
        }
    }

    fn take(self: &Arc<Self>, step: &Step, label: usize, within: Option<usize>) {
        match step {
            Step::Spawn(place) => {
                if within.is_none() {
                    self.spawn(*place, label);
                }
            }
            Step::LetGo(place) => self.change(*place).exit(&self.history),
            Step::Kill(place) => self.change(*place).be_killed(&self.history),
            Step::Stop(place) => self.change(*place).stop(),
            Step::Continue(place) => self.change(*place).continue_(&self.history),
            Step::Die(place) => self.change(*place).die(&self.history),
            Step::Reap(place) => self.change(*place).reap(&self.history),
            Step::Register(place) => self.register(*place),
            Step::Unregister(place) => self.unregister(*place),
            Step::Callback(place, body) => self.callback(*place, body, label),
            Step::Watch(place, body) => self.watch(*place, body, label),
            Step::Poll(place) => self.poll(*place),
            Step::Cancel(choice) => self.cancel(usize::from(*choice), within),
            Step::Drop => self.drop_watcher(),
        }
    }

    fn spawn(self: &Arc<Self>, place: Place, label: usize) {
        let watched = self.watched();
        let mut resident = self.change(place);
        if !resident.is_reaped {
            return;
        }
        deadline::await_next(self.backend.unit_of_start_times());
        let nursery = self.backend.nursery();
        let child = if self.can_choose_pids {
            nursery.spawn_as(resident.child.pid())
        } else {
            nursery.spawn()
        };
        *resident = self.resident(child, resident.predecessors + 1);
        let goes_by_start_times = !self.backend.unit_of_start_times().is_zero();
        if let Some(watched) = watched.as_ref().filter(|_| goes_by_start_times) {
            // Before it may exit: a signal is of a number, and if the last child's was
            // merged with another's, this one's would be taken for it.
            let (pid, child) = resident.meaning();
            self.call(Call::Watch(pid, child, label), || {
                let callback = self.make_callback(place, &Body::default(), label);
                answer(watched.get().watch(pid, callback).map(Answer::Accepted))
            });
        }
    }

    fn register(&self, place: Place) {
        self.call_by_number(place, Call::Register, |watcher, pid| {
            answer(watcher.register_pid(pid).map(|()| Answer::Done))
        });
    }

    fn unregister(&self, place: Place) {
        self.call_by_number(place, Call::Unregister, |watcher, pid| {
            watcher.unregister_pid(pid);
            Answer::Done
        });
    }

    fn callback(self: &Arc<Self>, place: Place, body: &Body, label: usize) {
        let what = |pid, child| Call::Callback(pid, child, label);
        self.call_by_number(place, what, |watcher, pid| {
            let callback = self.make_callback(place, body, label);
            answer(
                watcher
                    .register_callback(pid, callback)
                    .map(Answer::Accepted),
            )
        });
    }

    fn watch(self: &Arc<Self>, place: Place, body: &Body, label: usize) {
        let what = |pid, child| Call::Watch(pid, child, label);
        self.call_by_number(place, what, |watcher, pid| {
            let callback = self.make_callback(place, body, label);
            answer(watcher.watch(pid, callback).map(Answer::Accepted))
        });
    }

    fn poll(&self, place: Place) {
        self.call_by_number(place, Call::Poll, |watcher, pid| {
            let found = watcher.try_wait(pid);
            answer(found.map(|found| Answer::Polled(found.map(|exit| exit.status()))))
        });
    }

    fn cancel(&self, choice: usize, within: Option<usize>) {
        let Some(callback) = choice.checked_rem(self.handles.len()) else {
            return;
        };
        let from_itself = within == Some(callback);
        let handle = || *lock(&self.handles[callback]);
        // A callback may run before the call that has registered it returns. The callback does
        // not wait for that call (C17).
        if from_itself && !deadline::holds_within(patience(), || handle().is_some()) {
            self.history.note(Event::Stuck { callback });
        }
        let Some((handle, watched)) = handle().zip(self.watched()) else {
            return;
        };
        let what = Call::Cancel {
            callback,
            from_itself,
        };
        self.call(what, || {
            Answer::Unregistered(watched.get().unregister_callback(handle))
        });
    }

    /// Makes a call that means a child by its number, if there is a watcher.
    fn call_by_number(
        &self,
        place: Place,
        what: impl FnOnce(Pid, Option<usize>) -> Call,
        make: impl FnOnce(&dyn PidWatcher, Pid) -> Answer,
    ) {
        // In this order: this may be the last to hold the watcher, whose drop waits for a
        // callback, which may want to change the child.
        let Some(watched) = self.watched() else {
            return;
        };
        let resident = self.look_at(place);
        let (pid, child) = resident.meaning();
        self.call(what(pid, child), || make(watched.get(), pid));
    }

    fn call(&self, what: Call, make: impl FnOnce() -> Answer) {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        self.history.note(Event::Called { call, what });
        let answer = make();
        self.history.note(Event::Returned {
            call,
            answer: answer.clone(),
        });
        if let (Call::Callback(.., label) | Call::Watch(.., label), Answer::Accepted(handle)) =
            (what, answer)
        {
            *lock(&self.handles[label]) = Some(handle);
        }
    }

    /// The watcher goes with the last call that is under way.
    fn drop_watcher(&self) {
        let watched = lock(&self.watcher).take();
        // Not before the lock, which callbacks take.
        drop(watched);
    }

    fn watched(&self) -> Option<Arc<Watched>> {
        lock(&self.watcher).clone()
    }

    fn make_callback(self: &Arc<Self>, place: Place, body: &Body, label: usize) -> ExitCallback {
        let captured = Captured {
            world: Arc::clone(self),
            label,
        };
        let body = body.clone();
        Box::new(move |exit| {
            let Captured { ref world, label } = captured;
            let callback = label;
            world.history.note(Event::Began { callback, exit });
            if !world.is_waitable(place, exit) {
                world.history.note(Event::NotWaitable { callback });
            }
            let steps = || world.take_steps(&body.steps, label + 1, Some(label));
            if catch_unwind(AssertUnwindSafe(steps)).is_err() {
                // The watcher would keep it to itself.
                world.history.note(Event::Stuck { callback });
            }
            world.history.note(Event::Ended { callback });
            if body.panics {
                // Past the panic hook, which would print it.
                panic::resume_unwind(Box::new("as the program says"));
            }
        })
    }

    /// Whether the child that has exited can be waited for (C7), or need not be: it has
    /// been reaped, or may have been, as a former child of the place.
    fn is_waitable(&self, place: Place, exit: Exit) -> bool {
        let resident = self.look_at(place);
        let is_its_status = exit.status().is_some() && exit.status() == resident.expected();
        let is_told_of =
            exit.pid() == resident.child.pid() && (resident.predecessors == 0 || is_its_status);
        let owes = is_told_of && !resident.is_reaped && resident.child.is_real();
        !owes || death::is_waitable(exit.pid())
    }

    fn look_at(&self, Place(place): Place) -> RwLockReadGuard<'_, Resident> {
        let place = &self.places[usize::from(place)];
        place.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, Place(place): Place) -> RwLockWriteGuard<'_, Resident> {
        let place = &self.places[usize::from(place)];
        place.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the last step: every child dies, every callback that is owed is waited for,
    /// every child is reaped, and the watcher is dropped.
    fn finish(&self) {
        for place in &self.places {
            let mut resident = place.write().unwrap_or_else(PoisonError::into_inner);
            resident.die(&self.history);
        }
        if let Some(watched) = self.watched() {
            let history = &self.history;
            history.wait_until(patience(), |entries| owed(entries).is_empty());
            let stage = Stage::new(self.backend);
            stage.settle(watched.get());
            self.reap_all();
            stage.settle(watched.get());
            history.note(Event::Settled);
            self.drop_watcher();
        }
        self.reap_all();
        // A callback that has dropped the watcher may have more to do.
        self.history.wait_until(patience(), is_over);
    }

    fn reap_all(&self) {
        for place in &self.places {
            let mut resident = place.write().unwrap_or_else(PoisonError::into_inner);
            resident.reap(&self.history);
        }
    }
}

/// What every callback captures.
struct Captured {
    world: Arc<World>,
    label: usize,
}

impl Drop for Captured {
    fn drop(&mut self) {
        let callback = self.label;
        self.world.history.note(Event::Freed { callback });
    }
}

fn answer(answer: Result<Answer, WatchError>) -> Answer {
    answer.unwrap_or_else(|error| Answer::from_error(&error))
}
