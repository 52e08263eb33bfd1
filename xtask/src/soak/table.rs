//! The counts as a table that documents take too, with a column for each backend.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::numbers::{grouped, mebibytes};
use super::run::Outcome;
use super::settings::Soak;
use childwatch_command::seconds::Seconds;

pub(super) fn of(results: &[(Soak, Outcome)]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let backends = results.iter().map(|(soak, _)| soak.backend.clone());
    table.set_header(std::iter::once(String::new()).chain(backends));
    let mut row = |name: &str, value: &dyn Fn(&Soak, &Outcome) -> String| {
        let values = results.iter().map(|(soak, result)| value(soak, result));
        table.add_row(std::iter::once(name.to_owned()).chain(values));
    };
    row("time", &|soak, _| Seconds(soak.time).to_string());
    row("children at one time, threads", &|soak, _| {
        format!("{}, {}", soak.children, soak.threads)
    });
    let names = results.first().map(|(_, result)| result.counts.by_name());
    for (index, (name, _)) in names.unwrap_or_default().into_iter().enumerate() {
        row(says(name), &|_, result| {
            let (_, count) = result.counts.by_name()[index];
            grouped(count)
        });
    }
    row("most open files", &|_, result| {
        grouped(result.peak_fds as u64)
    });
    row("memory: start, halfway, end", &|_, result| {
        result.memory.map(mebibytes).join(", ")
    });
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Returns the description of a count.
fn says(name: &str) -> &str {
    match name {
        "births" => "children born",
        "reused" => "– with a number used before",
        "taken_over" => "– whose last child was still registered",
        "exits" => "exits",
        "stops" => "stops",
        "refused" => "refused as they should be",
        "watch_inside" => "– inside callbacks",
        "registered" => "callbacks registered",
        "told" => "– told",
        "unknown" => "– – without a status (reaped first)",
        "cancelled" => "– taken out",
        "dropped" => "– gone with their watcher",
        "watchers" => "watchers made and dropped meanwhile",
        "wrong" => "wrong status or number",
        "disordered" => "out of order, or on another thread",
        "misanswered" => "wrong answers",
        "stolen" => "reaped by somebody else",
        other => other,
    }
}
