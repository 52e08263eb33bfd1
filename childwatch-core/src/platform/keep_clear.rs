//! [`keep_clear`]: files that are none of the standard streams.
//!
//! A program may run without standard streams. The kernel then gives the numbers 0 to 2 to
//! the next files, and some may be the watcher's. The program does not expect that: it prints
//! to them, and `daemon(3)` leads them to `/dev/null` without a look at what they are. If the
//! watcher's epoll instance or a pidfd is lost in this way, exits are not reported any more.

use std::os::fd::{AsRawFd, RawFd};

/// The first number that is not that of a standard stream.
const FIRST: RawFd = 3;

/// Makes a file whose number is none of the standard streams'. Calls `make` up to four times.
///
/// # Errors
///
/// The error of `make`.
pub fn keep_clear<F: AsRawFd, E>(make: impl Fn() -> Result<F, E>) -> Result<F, E> {
    let mut file = make()?;
    // While they are open, the next file gets another number.
    let mut low = Vec::new();
    while file.as_raw_fd() < FIRST {
        low.push(file);
        file = make()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    struct Numbered(RawFd);

    impl AsRawFd for Numbered {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    #[test]
    fn a_low_number_is_kept_until_there_is_a_higher_one() {
        for (first, calls) in [(0, 4), (2, 2), (3, 1), (7, 1)] {
            let next = Cell::new(first);
            let made = keep_clear(|| Ok::<_, Infallible>(Numbered(next.replace(next.get() + 1))));
            let Ok(Numbered(number)) = made;
            assert_eq!(number, first.max(FIRST));
            assert_eq!(next.get() - first, calls);
        }
    }

    #[test]
    fn an_error_is_passed_on() {
        let calls = Cell::new(0);
        let made = keep_clear(|| match calls.replace(calls.get() + 1) {
            0 => Ok(Numbered(0)),
            _ => Err("no file is left"),
        });
        assert_eq!(made.err(), Some("no file is left"));
    }
}
