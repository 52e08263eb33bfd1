//! [`Console`]: the messages on a guest's console. The last other lines are kept for an
//! error.

use std::collections::VecDeque;

use super::message::Message;

/// The number of lines of a usual kernel panic.
const KEPT: usize = 60;

/// What every kernel writes when it panics.
const PANIC: &str = "Kernel panic - not syncing: ";

/// The last of what was on the console.
#[derive(Debug, Default)]
pub(super) struct Console {
    last_lines: VecDeque<String>,
    panic: Option<String>,
}

impl Console {
    /// Adds a line. Returns its message, or `None` if the line has none.
    pub(super) fn hear(&mut self, line: &str) -> Option<Message> {
        let message = Message::find(line);
        if message.is_none() {
            self.keep(line.trim_end());
        }
        message
    }

    /// Returns why the kernel has panicked, if it has.
    pub(super) fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    /// Returns the last lines that were no messages.
    pub(super) fn last_lines(&self) -> String {
        let lines: Vec<_> = self.last_lines.iter().map(String::as_str).collect();
        lines.join("\n").trim().to_owned()
    }

    fn keep(&mut self, line: &str) {
        if let Some((_, reason)) = line.split_once(PANIC) {
            self.panic.get_or_insert_with(|| reason.to_owned());
        }
        if self.last_lines.len() == KEPT {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_and_the_rest_is_kept() {
        let mut console = Console::default();
        assert_eq!(console.hear("Decompressing Linux...\r"), None);
        assert_eq!(
            console.hear("childwatch-guest: \"Ended\"\r"),
            Some(Message::Ended)
        );
        assert_eq!(console.hear("[    2.0] reboot: Power down\r"), None);
        assert_eq!(
            console.last_lines(),
            "Decompressing Linux...\n[    2.0] reboot: Power down"
        );
        assert_eq!(console.panic(), None);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut console = Console::default();
        for number in 0..=KEPT {
            console.hear(&format!("line {number}"));
        }
        let lines = console.last_lines();
        assert!(lines.starts_with("line 1\n"), "{lines}");
        assert_eq!(lines.lines().count(), KEPT);
    }

    #[test]
    fn the_first_panic_says_why() {
        let mut console = Console::default();
        console.hear("[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r");
        console.hear("[    1.3] Kernel panic - not syncing: another");
        assert_eq!(console.panic(), Some("VFS: Unable to mount root fs"));
    }
}
