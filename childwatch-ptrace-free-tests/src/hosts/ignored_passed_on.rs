//! A program that ignores `SIGCHLD` and starts programs that rely on finding it so.

use super::children::Children;
use super::inherited::signals_of_a_new_program;
use super::life::Life;
use super::sigchld_ignored;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;

pub(super) const HOST: Host = Host {
    name: "ignored-passed-on",
    is: "a program that starts programs which inherit an ignored SIGCHLD",
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[Exception {
        at: &[Moment::Watching, Moment::GivenBack, Moment::Dropped],
        unless: Feature::NoSignalHandler,
        notices: "its children find SIGCHLD at its default action, because a handler does \
                  not survive an exec",
    }],
    live,
};

fn live(life: &Life<'_>) {
    sigchld_ignored::inherit();
    life.goes_on_where(Children::AreReaped, |_| signals_of_a_new_program());
}
