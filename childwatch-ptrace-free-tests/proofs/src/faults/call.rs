//! [`Call`]: a system call in one of its uses, and how it may be refused.

use rustix::io::Errno;

use super::limit::Limit;
use super::notices::Notice;
use super::when::Phase;
use childwatch_ptrace_free_tests::machine::refusal::Refusal;

/// A system call that a watcher makes, in one of its uses, and every error that it may
/// give: those of its manual page that can come up in this use, and what sandboxes answer.
#[derive(Debug)]
pub struct Call {
    /// Its name in reports and on the command line.
    pub name: &'static str,
    /// The errors that it is made to give.
    pub errors: &'static [Errno],
    numbers: &'static [libc::c_long],
    is_used_so: fn(&[u64; 6]) -> bool,
    made_by: MadeBy,
    /// Errors that the kernel never gives time and again; nor does it `EINTR`.
    passing: &'static [Errno],
    /// Refused together with it: what the library, or libc, tries first.
    pub(super) besides: fn() -> Vec<Refusal>,
    /// The watcher is made by a thread that lets `SIGCHLD` through. Otherwise it blocks the signal, as
    /// all others do.
    pub(super) maker_lets_sigchld_through: bool,
    /// A limit to be reached, instead of a refusal.
    pub(super) limit: Option<Limit>,
    hides: fn(&str) -> Hides,
    with_pidfd: Made,
    with_sigchld: Made,
    with_fallback: Made,
    /// With each driven backend, by its name.
    when_driven: &'static [(&'static str, Made)],
}

/// The phases in which a backend makes a call, each with how many calls one after another are
/// to be refused alone: only calls that are certain to be made count.
type Made = &'static [(Phase, u32)];

/// On which threads a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MadeBy {
    Any,
    /// The program's, in a call of the watcher's.
    Caller,
    /// The watcher's own, one or two, or the one that drives it.
    Watcher,
}

/// Which exits can't be seen without a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hides {
    Nothing,
    /// Those whose signals were merged into others.
    Some,
    All,
}

impl Call {
    /// Made on any thread, in any use, and with no backend yet.
    pub(super) const fn new(
        name: &'static str,
        numbers: &'static [libc::c_long],
        errors: &'static [Errno],
    ) -> Self {
        Call {
            name,
            errors,
            numbers,
            is_used_so: |_| true,
            made_by: MadeBy::Any,
            passing: &[],
            besides: Vec::new,
            maker_lets_sigchld_through: false,
            limit: None,
            hides: |_| Hides::Nothing,
            with_pidfd: &[],
            with_sigchld: &[],
            with_fallback: &[],
            when_driven: &[],
        }
    }

    /// Only with such arguments.
    pub(super) const fn used(mut self, is_used_so: fn(&[u64; 6]) -> bool) -> Self {
        self.is_used_so = is_used_so;
        self
    }

    pub(super) const fn by(mut self, made_by: MadeBy) -> Self {
        self.made_by = made_by;
        self
    }

    pub(super) const fn passing(mut self, errors: &'static [Errno]) -> Self {
        self.passing = errors;
        self
    }

    pub(super) const fn if_the_maker_lets_sigchld_through(mut self) -> Self {
        self.maker_lets_sigchld_through = true;
        self
    }

    pub(super) const fn besides(mut self, besides: fn() -> Vec<Refusal>) -> Self {
        self.besides = besides;
        self
    }

    pub(super) const fn limited_by(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Which exits can't be seen while it is refused for long, by the backend's name.
    pub(super) const fn hiding(mut self, hides: fn(&str) -> Hides) -> Self {
        self.hides = hides;
        self
    }

    /// When this backend makes it.
    pub(super) const fn with_pidfd(mut self, made: Made) -> Self {
        self.with_pidfd = made;
        self
    }

    /// See [`with_pidfd`](Self::with_pidfd).
    pub(super) const fn with_sigchld(mut self, made: Made) -> Self {
        self.with_sigchld = made;
        self
    }

    /// See [`with_pidfd`](Self::with_pidfd).
    pub(super) const fn with_fallback(mut self, made: Made) -> Self {
        self.with_fallback = made;
        self
    }

    /// When these driven backends make it, by their names. What is left out is made as with the
    /// backend's thread, by the same code, on a thread that only registers.
    pub(super) const fn when_driven(mut self, made: &'static [(&'static str, Made)]) -> Self {
        self.when_driven = made;
        self
    }

    pub(super) fn hides_with(&self, backend: &str) -> Hides {
        (self.hides)(backend)
    }

    /// What `with_…` and `when_driven` have set for the backend of this name.
    pub(super) fn made_with(&self, backend: &str) -> Made {
        match backend {
            "pidfd" => self.with_pidfd,
            "sigchld" => self.with_sigchld,
            "fallback" => self.with_fallback,
            driven => {
                let mut when_driven = self.when_driven.iter();
                let made = when_driven.find(|(name, _)| *name == driven);
                made.map_or(&[], |(_, made)| made)
            }
        }
    }

    pub(super) fn can_last(&self, errno: Errno) -> bool {
        self.limit.is_none() && errno != Errno::INTR && !self.passing.contains(&errno)
    }

    pub(super) fn is_made(&self, notice: &Notice, by_caller: bool) -> bool {
        let made_so = match self.made_by {
            MadeBy::Any => true,
            MadeBy::Caller => by_caller,
            MadeBy::Watcher => !by_caller,
        };
        made_so && self.numbers.contains(&notice.call) && (self.is_used_so)(&notice.arguments)
    }
}
