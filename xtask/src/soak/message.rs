//! [`Message`]: the output of a soak's process, a line of JSON each.

use childwatch_proofs::soak::Counts;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
pub(super) enum Message {
    /// The state of the soak so far.
    Progress {
        seconds: f64,
        counts: Named,
        fds: usize,
        memory: usize,
    },
    /// The outcome of the soak. This is the last message.
    Done {
        counts: Named,
        peak_fds: usize,
        memory: [usize; 3],
        faults: Vec<String>,
    },
}

/// Counts by their names.
#[derive(Deserialize, Serialize)]
pub(super) struct Named(Vec<(String, u64)>);

impl From<Counts> for Named {
    fn from(counts: Counts) -> Self {
        let by_name = counts.by_name().into_iter();
        Named(
            by_name
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        )
    }
}

impl From<Named> for Counts {
    fn from(Named(counts): Named) -> Self {
        Counts::from_names(|name| {
            let mut counts = counts.iter();
            counts
                .find(|(known, _)| known == name)
                .map(|(_, count)| *count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_through_as_they_were() {
        let counts = Counts {
            births: 3,
            leaked: 1,
            ..Counts::default()
        };
        let line = serde_json::to_string(&Named::from(counts)).unwrap();
        let named: Named = serde_json::from_str(&line).unwrap();
        assert_eq!(Counts::from(named), counts);
    }
}
