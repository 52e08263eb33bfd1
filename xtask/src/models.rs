//! The models: runs the engine, the handler and the table of pidfds in every interleaving, with loom.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{ContentArrangement, Table};
use xshell::{Shell, cmd};

use crate::workspace;
use childwatch_command::seconds::Seconds;

/// The line of a model: how far it was explored.
#[derive(Debug, PartialEq)]
struct Model<'a> {
    /// The test with its path.
    name: &'a str,
    /// The most interruptions of threads, or `none` if they are not limited.
    bound: &'a str,
    interleavings: u64,
    seconds: f64,
}

/// Runs every model, and prints how many interleavings each has.
///
/// The target directory is a separate one, because `--cfg childwatch_loom` changes every crate. The
/// output is not captured, because a failing model may abort its process. loom's panic drops
/// a watcher, and in a deadlock that drop never returns.
pub(crate) fn check(shell: &Shell) -> anyhow::Result<()> {
    let target = workspace::target().join("loom");
    let tests = cmd!(
        shell,
        "cargo test --profile loom --lib models
         -p childwatch-core -p childwatch-pidfd -p childwatch-sigchld
         --features childwatch-pidfd/_models,childwatch-sigchld/_models
         --target-dir {target} -- --nocapture"
    )
    .env("RUSTFLAGS", "--cfg childwatch_loom");
    eprintln!("$ RUSTFLAGS='--cfg childwatch_loom' {tests}");
    let output = Command::from(tests)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        print!("{printed}");
    }
    ensure!(output.status.success(), "a model does not hold");
    let mut models: Vec<_> = printed
        .lines()
        .filter_map(|line| Model::parse(line).transpose())
        .collect::<anyhow::Result<_>>()?;
    ensure!(!models.is_empty(), "no model has been run");
    models.sort_by_key(|model| model.name);
    println!("{}", table(&models));
    let interleavings: u64 = models.iter().map(|model| model.interleavings).sum();
    println!("{} models, {interleavings} interleavings", models.len());
    Ok(())
}

impl<'a> Model<'a> {
    /// Parses a line of `childwatch_core::interleavings`. Returns `None` for any other line.
    fn parse(line: &'a str) -> anyhow::Result<Option<Self>> {
        // With a single test thread, the test's own line has begun already.
        let Some((_, rest)) = line.split_once("model\t") else {
            return Ok(None);
        };
        let fields: Vec<_> = rest.split('\t').collect();
        let [name, bound, interleavings, seconds] = fields[..] else {
            anyhow::bail!("a model's line has other fields: {line:?}");
        };
        Ok(Some(Model {
            name,
            bound,
            interleavings: interleavings.parse().with_context(|| line.to_owned())?,
            seconds: seconds.parse().with_context(|| line.to_owned())?,
        }))
    }

    /// Splits a path such as `childwatch_core::models::cancelling::two_cancellers_agree`:
    /// what is modelled, and what about it.
    fn topic_and_sentence(&self) -> (String, String) {
        let (topic, sentence) = self.name.rsplit_once("::").unwrap_or(("", self.name));
        let topic = topic
            .trim_start_matches("childwatch_")
            .replace("::models::", ", ");
        (topic, sentence.replace('_', " "))
    }
}

fn table(models: &[Model<'_>]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["of", "model", "preemptions", "interleavings", "time"]);
    for model in models {
        let (topic, sentence) = model.topic_and_sentence();
        table.add_row([
            topic,
            sentence,
            model.bound.to_owned(),
            model.interleavings.to_string(),
            Seconds(Duration::from_secs_f64(model.seconds)).to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "model\tchildwatch_core::models::cancelling::two_agree\t2\t992\t0.3";

    #[test]
    fn a_models_line_becomes_a_row() {
        let model = Model::parse(LINE).unwrap().unwrap();
        assert_eq!((model.bound, model.interleavings), ("2", 992));
        let rows = table(&[model]).to_string();
        let beside_the_tests = format!("test models::two_agree ... {LINE}");
        assert!(Model::parse(&beside_the_tests).unwrap().is_some());
        let row = "| core, cancelling | two agree | 2           | 992           | 0.3 s |";
        assert!(rows.contains(row), "{rows}");
    }

    #[test]
    fn what_a_test_prints_besides_is_no_model() {
        assert_eq!(Model::parse("test models::x ... ok").unwrap(), None);
        assert!(Model::parse("model\tfewer\tfields").is_err());
    }
}
