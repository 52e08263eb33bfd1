//! [`keep_clear`]: opens files without taking the numbers of the standard streams.
//!
//! A program may run without standard streams. The kernel then gives the numbers 0 to 2 to
//! the next files, which may be the watcher's. The program does not expect that: it prints
//! to these numbers, and `daemon(3)` redirects them to `/dev/null`. If the watcher lost its
//! epoll instance or a pidfd in this way, exits would not be reported any more.

use std::os::fd::{AsRawFd, RawFd};

/// The first number after those of the standard streams.
const FIRST: RawFd = 3;

/// Makes a file that has none of these numbers. Calls `make` up to four times.
pub(crate) fn keep_clear<F: AsRawFd, E>(make: impl Fn() -> Result<F, E>) -> Result<F, E> {
    let mut file = make()?;
    // While these are open, the next file gets another number.
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
