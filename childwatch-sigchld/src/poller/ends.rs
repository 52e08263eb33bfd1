//! [`Ends`]: what a handler needs of a poller.

use std::os::fd::RawFd;

/// The numbers of the two descriptors that a notification needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) epoll: RawFd,
    pub(crate) wake_fd: RawFd,
}

impl Ends {
    pub(crate) fn to_bits(self) -> u64 {
        (self.epoll as u32 as u64) << 32 | self.wake_fd as u32 as u64
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Ends {
            epoll: (bits >> 32) as RawFd,
            wake_fd: bits as RawFd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_come_back_from_their_bits() {
        let ends = Ends {
            epoll: 3,
            wake_fd: RawFd::MAX,
        };
        assert_eq!(Ends::from_bits(ends.to_bits()), ends);
        assert_ne!(ends.to_bits(), u64::MAX);
    }
}
