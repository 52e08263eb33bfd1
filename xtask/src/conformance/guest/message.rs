//! [`Message`]: what the guest's suite writes to the console for the host, one line each.

use std::io::{self, Write};

use childwatch_command::report::Run;
use serde::{Deserialize, Serialize};

/// Begins each message. The kernel and its boot loader write to the console too.
const TAG: &str = "childwatch-guest: ";

/// A step of the guest's suite.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    /// The suite runs on this kernel.
    Began { kernel: String },
    /// A cell has run. `cell` is its index in the order.
    Ran { cell: usize, run: Run },
    /// This is the last message.
    Ended,
}

impl Message {
    /// Writes the message to the standard output. If that fails, the host counts the run as
    /// failed.
    pub(super) fn say(&self) {
        let _ = io::stdout().write_all(self.line().as_bytes());
    }

    fn line(&self) -> String {
        let message = serde_json::to_string(self).expect("a message has no map, and no float");
        format!("{TAG}{message}\n")
    }

    /// Returns the message in a line, if there is one. Other text may stand before it.
    pub(super) fn find(line: &str) -> Option<Self> {
        let (_, message) = line.split_once(TAG)?;
        serde_json::from_str(message.trim_end()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use childwatch_command::finding::Finding;

    use super::*;

    #[test]
    fn a_message_comes_through_a_serial_line() {
        let message = Message::Ran {
            cell: 7,
            run: Run {
                finding: Finding::Failed("left: 1\nright: \"✗\"\r".to_owned()),
                elapsed: Duration::from_millis(1_500),
            },
        };
        let line = message.line();
        let (line, rest) = line.split_once('\n').unwrap();
        assert_eq!(rest, "");
        assert_eq!(Message::find(&format!("{line}\r")), Some(message));
    }

    #[test]
    fn what_stands_before_a_message_is_left_out() {
        let behind = format!("[    1.5] clocksource: {}", Message::Ended.line());
        assert_eq!(Message::find(&behind), Some(Message::Ended));
    }

    #[test]
    fn a_line_of_the_kernels_is_no_message() {
        assert_eq!(Message::find("[    0.0] Linux version 6.1.0"), None);
        assert_eq!(Message::find(&format!("{TAG}{{\"Ran\":")), None);
    }
}
