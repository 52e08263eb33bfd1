//! [`Life`]: how a host lives, before, beside and after a watcher.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use childwatch_core::PidWatcher;

use super::children::Children;
use super::contract;
use crate::backend::stage::Stage;
use crate::hosts::exception::{self, Exception, Moment};
use crate::kit::child::{End, GatedChild};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::receive;

/// How many children the watcher watches while the program does its job.
const WATCHED: usize = 3;

/// What a host gets: the backend that it is judged against, and the order of its life.
pub(crate) struct Life<'a> {
    exceptions: &'static [Exception],
    stage: Stage<'a>,
}

/// What surrounds the program while it does its job.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) moment: Moment,
    /// The watcher, if there is one now. A callback that uses it has a `Weak` of it.
    pub(crate) watcher: Option<&'a Arc<dyn PidWatcher>>,
}

impl<'a> Life<'a> {
    /// The life of a host with these exceptions.
    pub(super) fn of(exceptions: &'static [Exception], stage: Stage<'a>) -> Self {
        Life { exceptions, stage }
    }

    pub(crate) fn stage(&self) -> &Stage<'a> {
        &self.stage
    }

    /// Does the job without a watcher, with an idle one, while it watches, after its last
    /// child and after its end. Meanwhile the watcher keeps its contract.
    ///
    /// The job returns what came out of it, which must be the same at each moment.
    #[track_caller]
    pub(crate) fn goes_on<R>(&self, job: impl FnMut(Around<'_>) -> R)
    where
        R: PartialEq + fmt::Debug,
    {
        self.goes_on_where(Children::Stay, job);
    }

    /// The same in a program that may reap the children of others.
    #[track_caller]
    pub(crate) fn goes_on_where<R>(&self, children: Children, job: impl FnMut(Around<'_>) -> R)
    where
        R: PartialEq + fmt::Debug,
    {
        self.judge(children, contract::check, job);
    }

    /// The same as [`goes_on`](Self::goes_on) in a program that runs so slowly that there is
    /// time for a part of the contract only.
    #[track_caller]
    pub(crate) fn goes_on_slowly<R>(&self, job: impl FnMut(Around<'_>) -> R)
    where
        R: PartialEq + fmt::Debug,
    {
        self.judge(Children::Stay, contract::check_in_part, job);
    }

    #[track_caller]
    fn judge<R>(
        &self,
        children: Children,
        check_contract: fn(&Stage<'_>, Children),
        mut job: impl FnMut(Around<'_>) -> R,
    ) where
        R: PartialEq + fmt::Debug,
    {
        let expected = job(Around::nothing(Moment::Without));
        let mut is_as_before = |around: Around<'_>| {
            let moment = around.moment;
            if !self.is_excepted(moment) {
                let now = job(around);
                assert_eq!(
                    now, expected,
                    "{moment}, the program's job ends differently"
                );
            }
        };
        let takers = receive::threads_that_let_through(libc::SIGCHLD);
        let watcher: Arc<dyn PidWatcher> = Arc::from(self.stage.watcher());
        is_as_before(Around::watcher(Moment::Idle, &watcher));
        self.while_it_watches(&*watcher, children, || {
            is_as_before(Around::watcher(Moment::Watching, &watcher));
        });
        deadline::until(
            "no thread of the watcher takes the program's signals",
            || {
                let mut now = receive::threads_that_let_through(libc::SIGCHLD).into_iter();
                now.all(|thread| takers.contains(&thread))
            },
        );
        is_as_before(Around::watcher(Moment::GivenBack, &watcher));
        check_contract(&self.stage, children);
        drop(watcher);
        is_as_before(Around::nothing(Moment::Dropped));
    }

    /// Some children live while `body` runs, and exit after it. Each is reported once.
    #[track_caller]
    fn while_it_watches(&self, watcher: &dyn PidWatcher, children: Children, body: impl FnOnce()) {
        let watched: Vec<_> = (0..WATCHED).map(|_| self.watched(watcher)).collect();
        body();
        for (code, (mut child, probe)) in (1..).zip(watched) {
            assert_eq!(probe.runs(), 0, "a child is reported that lives");
            child.die(End::Code(code));
            let told = probe.ran_once().status();
            children.check(told, code, || child.reap());
        }
    }

    fn watched(&self, watcher: &dyn PidWatcher) -> (Box<dyn GatedChild>, Probe) {
        let (child, probe) = (self.stage.child(), Probe::new());
        let watched = watcher.watch(child.pid(), probe.callback());
        watched.expect("the watcher takes a child");
        (child, probe)
    }

    fn is_excepted(&self, moment: Moment) -> bool {
        let mut exceptions = exception::of_backend(self.exceptions, self.stage.backend());
        exceptions.any(|exception| exception.at.contains(&moment))
    }
}

impl<'a> Around<'a> {
    /// Runs `body` on a thread that is not this one, and waits for it. If there is a watcher,
    /// `body` runs in a callback, and otherwise on a plain thread.
    #[track_caller]
    pub(crate) fn on_another_thread<R: Send + 'static>(
        &self,
        stage: &Stage<'_>,
        body: impl FnOnce() -> R + Send + 'static,
    ) -> R {
        let (tell, told) = mpsc::channel();
        let body = move || {
            // If this value comes too late, the receiver is gone.
            let _ = tell.send(body());
        };
        match self.watcher {
            None => drop(thread::spawn(body).join()),
            Some(watcher) => {
                let mut child = stage.child();
                let called = watcher.watch(child.pid(), Box::new(move |_| body()));
                called.expect("the watcher takes a child");
                child.die(End::Code(0));
                let told = told.recv_timeout(deadline::patience());
                child.reap();
                return told.expect("the callback has run");
            }
        }
        told.recv().expect("the thread has run")
    }

    fn nothing(moment: Moment) -> Self {
        Around {
            moment,
            watcher: None,
        }
    }

    fn watcher(moment: Moment, watcher: &'a Arc<dyn PidWatcher>) -> Self {
        Around {
            moment,
            watcher: Some(watcher),
        }
    }
}

impl fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Around({})", self.moment)
    }
}

/// Calls a function when it is dropped, also when a host fails.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
