//! [`Supervisor`]: the loop. It waits for exits, signals and deadlines, on one thread.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::config::Settings;
use crate::exits::Exits;
use crate::screen::Screen;
use crate::service::{Service, State};

pub(crate) struct Supervisor {
    services: Vec<Service>,
    exits: Exits,
    screen: Screen,
    /// A byte for each SIGINT and SIGTERM.
    signals: UnixStream,
    is_stopping: bool,
}

impl Supervisor {
    pub(crate) fn new(settings: Vec<Settings>, exits: Exits, screen: Screen) -> Result<Self> {
        let (signals, raised) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, raised.try_clone()?)?;
        }
        let now = Instant::now();
        let services = settings
            .into_iter()
            .map(|settings| Service::new(settings, now));
        Ok(Supervisor {
            services: services.collect(),
            exits,
            screen,
            signals,
            is_stopping: false,
        })
    }

    /// Runs until every service has ended for good. Returns `true` if none of them has failed.
    pub(crate) fn run(mut self) -> Result<bool> {
        loop {
            self.take_due_steps();
            self.screen.show(&self.services);
            let is_over = |service: &Service| matches!(service.state, State::Ended { .. });
            if self.services.iter().all(is_over) {
                break;
            }
            self.wait()?;
            for (index, exit) in self.exits.take()? {
                let event = self.services[index].exited(exit, Instant::now());
                self.say(index, &event);
            }
            self.answer_signals();
        }
        let has_failed = |service: &Service| matches!(service.state, State::Ended { failed: true });
        Ok(!self.services.iter().any(has_failed))
    }

    /// Waits for an exit, a signal, or the next deadline.
    fn wait(&self) -> Result<()> {
        let now = Instant::now();
        let deadlines = self.services.iter().filter_map(Service::deadline);
        let left = deadlines.map(|deadline| deadline.saturating_duration_since(now));
        let left = left.chain(self.screen.refresh_after()).min();
        let timeout = left.map(Timespec::try_from).transpose()?;
        let mut descriptors: Vec<_> = self.exits.descriptors().collect();
        descriptors.push(self.signals.as_fd());
        let mut polled: Vec<_> = descriptors
            .into_iter()
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
            .collect();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Starts what is due to start, and goes on with an ordered stop.
    fn take_due_steps(&mut self) {
        let now = Instant::now();
        for index in 0..self.services.len() {
            let service = &mut self.services[index];
            let event = match service.state {
                State::Waiting { until } if until <= now && !self.is_stopping => {
                    Some(service.start(index, &self.exits, now))
                }
                State::Stopping {
                    until: Some(until), ..
                } if until <= now => service.kill(),
                _ => None,
            };
            self.say_if(index, event);
        }
        if self.is_stopping {
            self.stop_the_last(now);
        }
    }

    /// Services end one after the other, the last one first.
    fn stop_the_last(&mut self, now: Instant) {
        for index in (0..self.services.len()).rev() {
            let service = &mut self.services[index];
            let event = service.stop(self.exits.watcher(), now);
            self.say_if(index, event);
            if !matches!(self.services[index].state, State::Ended { .. }) {
                break;
            }
        }
    }

    /// The first signal begins an ordered stop. The second kills.
    fn answer_signals(&mut self) {
        let mut bytes = [0; 16];
        while let Ok(count @ 1..) = (&self.signals).read(&mut bytes) {
            let is_second = self.is_stopping || count > 1;
            self.is_stopping = true;
            if !is_second {
                continue;
            }
            for index in 0..self.services.len() {
                let event = self.services[index].kill();
                self.say_if(index, event);
            }
        }
    }

    fn say_if(&mut self, index: usize, event: Option<String>) {
        if let Some(event) = event {
            self.say(index, &event);
        }
    }

    fn say(&mut self, index: usize, event: &str) {
        self.screen.say(&self.services[index].settings.name, event);
    }
}
