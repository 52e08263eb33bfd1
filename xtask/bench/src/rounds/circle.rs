//! [`Circle`]: slices that exist at once and take turns, lap after lap.
//!
//! The speed of a machine changes from one second to the next, by far more than candidates
//! differ. If the slices take turns of a few hundredths of a second, the changes fall on all of
//! them alike.

use std::process::Command;

use super::running::{Running, Turned};
use crate::measuring::outcome::Outcome;

/// Slices, each under a name of the caller's.
pub(crate) struct Circle<Name> {
    waiting: Vec<Seat<Name>>,
    ended: Vec<(Name, Outcome)>,
}

/// A slice that waits for its turn.
struct Seat<Name> {
    number: usize,
    name: Name,
    running: Running,
}

impl<Name> Circle<Name> {
    pub(crate) fn new() -> Self {
        Circle {
            waiting: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Starts a slice, and waits until the slice waits for its first turn. If the slice exits
    /// instead, it gets no turns.
    pub(crate) fn join(&mut self, name: Name, slice: Command) -> anyhow::Result<()> {
        let number = self.waiting.len();
        self.keep(number, name, Running::start(slice)?);
        Ok(())
    }

    /// Returns how many slices wait for their turns.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Gives each slice its turns until all have exited, and returns their outcomes. The
    /// number of the first lap decides which slice begins.
    pub(crate) fn go_round(mut self, first_lap: usize) -> anyhow::Result<Vec<(Name, Outcome)>> {
        let mut lap = first_lap;
        while !self.waiting.is_empty() {
            self.waiting.sort_by_key(|seat| seat.number);
            let mut seats: Vec<_> = self.waiting.drain(..).map(Some).collect();
            for next in order(lap, seats.len()) {
                if let Some(seat) = seats[next].take() {
                    let turned = seat.running.take_turn()?;
                    self.keep(seat.number, seat.name, turned);
                }
            }
            lap += 1;
        }
        Ok(self.ended)
    }

    fn keep(&mut self, number: usize, name: Name, turned: Turned) {
        match turned {
            Turned::Waits(running) => self.waiting.push(Seat {
                number,
                name,
                running,
            }),
            Turned::Ended(outcome) => self.ended.push((name, outcome)),
        }
    }
}

/// Returns the order of the turns in a lap. The laps are a balanced Latin square: each slice
/// begins equally often, and follows each other slice equally often.
///
/// 0, 1, -1, 2, -2, … has each distance between neighbours once, and each lap adds one to all.
/// With an odd count every second square is reversed.
fn order(lap: usize, count: usize) -> Vec<usize> {
    let seat = |place: usize| {
        let distance = place.div_ceil(2);
        let ahead = if place % 2 == 1 {
            distance
        } else {
            count - distance
        };
        (ahead + lap) % count
    };
    let mut order: Vec<_> = (0..count).map(seat).collect();
    if count % 2 == 1 && (lap / count) % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::measuring::outcome::single;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    fn measured(value: f64) -> Outcome {
        Outcome::Measured(single([("latency", value)]))
    }

    #[test]
    fn everyone_follows_everyone_equally_often() {
        for count in 1..=9 {
            let laps = 2 * count;
            let mut pairs = BTreeMap::new();
            let mut first = vec![0; count];
            for lap in 0..laps {
                let order = order(lap, count);
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..count));
                first[order[0]] += 1;
                for pair in order.windows(2) {
                    *pairs.entry((pair[0], pair[1])).or_insert(0) += 1;
                }
            }
            assert_eq!(first, vec![2; count]);
            assert_eq!(pairs.len(), count * (count - 1));
            assert!(pairs.values().all(|times| *times == 2), "{pairs:?}");
        }
    }

    #[test]
    fn slices_take_turns_and_one_that_dies_holds_up_nobody() {
        let log = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        fs::write(&log, "").unwrap();
        let turn = |name| {
            format!(
                "echo waiting; head -c 1 > /dev/null; echo {name} >> {}; ",
                log.display()
            )
        };
        let write = |value: &str| format!(r#"echo '{{"Measured":{{"latency":[{value}]}}}}'"#);
        let mut circle = Circle::new();
        let slices = [
            (0, turn("a").repeat(2) + &write("1.0")),
            (1, turn("b") + "exit 9"),
            (2, turn("c").repeat(2) + &write("3.0")),
            (3, r#"echo '{"Refused":"too few"}'"#.to_owned()),
        ];
        for (name, script) in slices {
            circle.join(name, shell(&script)).unwrap();
        }
        assert_eq!(circle.waiting(), 3);
        let mut outcomes = circle.go_round(0).unwrap();
        outcomes.sort_by_key(|(name, _)| *name);
        let turns = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        assert_eq!(
            outcomes,
            [
                (0, measured(1.0)),
                (1, Outcome::Failed("exit status: 9".to_owned())),
                (2, measured(3.0)),
                (3, Outcome::Refused("too few".to_owned())),
            ]
        );
        // Three in the first lap, and the two that are left in the second.
        assert_eq!(turns.split_whitespace().collect::<String>(), "abcca");
    }
}
