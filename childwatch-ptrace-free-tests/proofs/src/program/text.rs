//! Programs as text: how they are handed to their process, kept, and read.

use std::fmt;
use std::str::FromStr;

use super::steps::{Body, Place, Program, Step};

/// More would make it long to find an order of their calls.
const MOST_STEPS: usize = 100;

/// A text that is no program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAProgram {
    reason: String,
}

impl fmt::Display for NotAProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no program: {}", self.reason)
    }
}

impl std::error::Error for NotAProgram {}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, thread) in self.threads.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write_steps(f, thread)?;
        }
        Ok(())
    }
}

/// As its text, so that a failing one can be run by hand.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Spawn(Place(place)) => write!(f, "spawn:{place}"),
            Step::LetGo(Place(place)) => write!(f, "go:{place}"),
            Step::Kill(Place(place)) => write!(f, "kill:{place}"),
            Step::Stop(Place(place)) => write!(f, "stop:{place}"),
            Step::Continue(Place(place)) => write!(f, "continue:{place}"),
            Step::Die(Place(place)) => write!(f, "die:{place}"),
            Step::Reap(Place(place)) => write!(f, "reap:{place}"),
            Step::Register(Place(place)) => write!(f, "register:{place}"),
            Step::Unregister(Place(place)) => write!(f, "unregister:{place}"),
            Step::Callback(Place(place), body) => write!(f, "callback:{place}{body}"),
            Step::Watch(Place(place), body) => write!(f, "watch:{place}{body}"),
            Step::Poll(Place(place)) => write!(f, "poll:{place}"),
            Step::Cancel(callback) => write!(f, "cancel:{callback}"),
            Step::Drop => write!(f, "drop"),
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            f.write_str("{")?;
            write_steps(f, &self.steps)?;
            f.write_str("}")?;
        }
        f.write_str(if self.panics { "!" } else { "" })
    }
}

fn write_steps(f: &mut fmt::Formatter<'_>, steps: &[Step]) -> fmt::Result {
    for (index, step) in steps.iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        write!(f, "{space}{step}")?;
    }
    Ok(())
}

impl FromStr for Program {
    type Err = NotAProgram;

    fn from_str(text: &str) -> Result<Self, NotAProgram> {
        let threads = text
            .split('|')
            .map(|thread| {
                let mut reader = Reader { rest: thread };
                let steps = reader.steps()?;
                match reader.rest {
                    "" => Ok(steps),
                    rest => Err(because(format!("{rest:?} is left over"))),
                }
            })
            .collect::<Result<_, _>>()?;
        let program = Program { threads };
        match program.steps().len() {
            0..=MOST_STEPS => Ok(program),
            many => Err(because(format!("{many} steps, and {MOST_STEPS} at most"))),
        }
    }
}

fn because(reason: impl Into<String>) -> NotAProgram {
    NotAProgram {
        reason: reason.into(),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn steps(&mut self) -> Result<Vec<Step>, NotAProgram> {
        let mut steps = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with('}') {
                return Ok(steps);
            }
            steps.push(self.step()?);
        }
    }

    fn step(&mut self) -> Result<Step, NotAProgram> {
        let word = self.word(|letter| letter.is_ascii_lowercase());
        if word == "drop" {
            return Ok(Step::Drop);
        }
        if !self.eat(':') {
            return Err(because(format!("{word:?} before {:?}", self.rest)));
        }
        let digits = self.word(|letter| letter.is_ascii_digit());
        let number = digits
            .parse()
            .map_err(|_| because(format!("{digits:?} is no number of a child or callback")))?;
        let place = Place(number);
        Ok(match word {
            "spawn" => Step::Spawn(place),
            "go" => Step::LetGo(place),
            "kill" => Step::Kill(place),
            "stop" => Step::Stop(place),
            "continue" => Step::Continue(place),
            "die" => Step::Die(place),
            "reap" => Step::Reap(place),
            "register" => Step::Register(place),
            "unregister" => Step::Unregister(place),
            "callback" => Step::Callback(place, self.body()?),
            "watch" => Step::Watch(place, self.body()?),
            "poll" => Step::Poll(place),
            "cancel" => Step::Cancel(number),
            _ => return Err(because(format!("{word:?} is no step"))),
        })
    }

    fn body(&mut self) -> Result<Body, NotAProgram> {
        let mut steps = Vec::new();
        if self.eat('{') {
            steps = self.steps()?;
            if !self.eat('}') {
                return Err(because("a callback's steps have no end"));
            }
        }
        let panics = self.eat('!');
        Ok(Body { steps, panics })
    }

    fn eat(&mut self, letter: char) -> bool {
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

impl<'a> Reader<'a> {
    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !belongs(letter));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_as_it_is_written() {
        let text = "register:0 callback:0{reap:0 watch:1{cancel:1}! drop} die:0 | spawn:0 go:1 \
                    kill:1 stop:0 continue:0 unregister:0 cancel:2 poll:1 watch:0!";
        let program: Program = text.parse().unwrap();
        assert_eq!(program.to_string(), text);
        assert_eq!((program.places(), program.callbacks()), (2, 4));
    }

    #[test]
    fn what_is_no_program_is_refused_with_the_reason() {
        for (text, reason) in [
            ("watch", "\"watch\" before \"\""),
            ("watch:", "\"\" is no number"),
            ("watch:300", "\"300\" is no number"),
            ("jump:0", "\"jump\" is no step"),
            ("watch:0{reap:0", "no end"),
            ("reap:0}", "\"}\" is left over"),
            (&"drop ".repeat(101), "101 steps, and 100 at most"),
        ] {
            let error = text.parse::<Program>().unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
