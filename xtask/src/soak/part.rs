//! [`Part`]: which process of a soak this program is.

use std::process::Command;

use clap::ValueEnum;

use super::settings::Soak;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Starts `TryInside` in a new pid namespace.
    Try,
    /// Exits with 0 if the namespace is usable.
    TryInside,
    /// Starts `Inside` in a new pid namespace.
    Enter,
    /// The soak, as process 1 of a new pid namespace.
    Inside,
    /// The soak, without a new pid namespace.
    Plain,
}

impl Part {
    /// Returns the command that starts this part of a soak.
    pub(super) fn command(self, soak: &Soak) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        let value = self.to_possible_value();
        let name = value.as_ref().map_or("", |value| value.get_name());
        command
            .args(["soak-process", name, &soak.backend])
            .args([soak.seed.to_string(), soak.children.to_string()])
            .arg(soak.threads.to_string())
            .args([soak.time, soak.patience].map(|time| time.as_secs_f64().to_string()));
        Ok(command)
    }
}
