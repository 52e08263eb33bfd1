//! The outcomes as a table, with a row for each program.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use super::corpus::Program;
use super::run::{Outcome, Trial};
use super::way::Way;

pub(super) fn of(programs: &[Program], ways: &[Way], outcomes: &[(&Trial, &Outcome)]) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let header = ["program", "children"].map(str::to_owned);
    table.set_header(header.into_iter().chain(ways.iter().map(Way::to_string)));
    let mut reasons = Vec::new();
    for program in programs {
        let of_program = outcomes
            .iter()
            .filter(|(trial, _)| trial.program.name == program.name);
        let children = of_program
            .clone()
            .map(|(_, outcome)| outcome.counts().watched);
        let mut row = vec![
            program.name.clone(),
            children.max().unwrap_or(0).to_string(),
        ];
        for way in ways {
            row.push(match program.notices(way) {
                Some(reason) => {
                    let known = reasons.iter().position(|known| *known == reason);
                    let number = known.unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    format!("notices it ({})", number + 1)
                }
                None => {
                    let of_way = of_program.clone().filter(|(trial, _)| trial.way == way);
                    let failed = of_way.filter(|(_, outcome)| !outcome.is_well()).count();
                    match failed {
                        0 => "the same".to_owned(),
                        failed => format!("{failed} FAILED"),
                    }
                }
            });
        }
        table.add_row(row);
    }
    let mut text = format!("{table}\n\n");
    for (index, reason) in reasons.iter().enumerate() {
        text += &format!("({}) {reason}\n", index + 1);
    }
    text
}
