//! [`Shortage`]: a [limit](super::limit::Limit) that is reached.

use super::fault::Fault;
use super::limit::Limit;
use super::when::When;
use childwatch_ptrace_free_tests::kit::sys::limits::{self, FewFiles};

/// Room for a thread's stack is not in it, nor for anything but a few pages.
const LITTLE_MEMORY: u64 = 1 << 20;

/// A limit that is reached until this is dropped.
#[derive(Debug)]
pub(super) enum Shortage {
    Files { _few: FewFiles },
    Memory,
}

impl Shortage {
    pub(super) fn kind(fault: Fault) -> Option<Limit> {
        fault.call.limit
    }

    pub(super) fn of(fault: Fault) -> Option<Self> {
        let left = match fault.when {
            When::Nth(number) => number as usize - 1,
            When::Lasting | When::ForGood => 0,
        };
        Some(match Self::kind(fault)? {
            Limit::Files => Shortage::Files {
                _few: FewFiles::left(left),
            },
            Limit::Memory => {
                let bytes = limits::address_space_bytes() + LITTLE_MEMORY;
                limits::limit_address_space(Some(bytes));
                Shortage::Memory
            }
        })
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        if matches!(self, Shortage::Memory) {
            limits::limit_address_space(None);
        }
    }
}
