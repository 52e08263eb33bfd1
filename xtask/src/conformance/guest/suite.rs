//! The suite in a guest: runs the order, and tells the host of each run.

use std::fs;

use anyhow::Context;
use childwatch_command::kernel;

use super::message::Message;
use super::written::Written;

/// The order's file in a guest, as JSON.
pub(super) const ORDER: &str = "/order.json";

pub(super) fn main() -> anyhow::Result<()> {
    let order = fs::read(ORDER).with_context(|| format!("there is no order in {ORDER}"))?;
    let order = serde_json::from_slice::<Written>(&order)?.read()?;
    Message::Began {
        kernel: kernel::release(),
    }
    .say();
    order.run(|cell, run| {
        let run = run.clone();
        Message::Ran { cell, run }.say();
    })?;
    Message::Ended.say();
    Ok(())
}
