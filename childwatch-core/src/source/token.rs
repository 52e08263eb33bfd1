//! [`Token`]: the name under which a process is armed.

/// Names one armed process: a place and a generation.
///
/// Of the tokens armed at one time each has an index of its own, the indices are
/// small, and a source may keep its table by them. The generation tells a
/// place's successive holders apart: a report with an old one is stale. It
/// comes round after 2³² uses of one place, far more than the reports that can
/// be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// The token of this place and holder.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Token { index, generation }
    }

    /// The place, unique among the tokens armed at one time.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which holder of the place this is.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// Index and generation in one number, as an event queue carries it. No
    /// token is `u64::MAX`.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The token that [`to_bits`](Self::to_bits) gave this number for.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Token {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_bits() {
        for (index, generation) in [(0, 0), (1, 2), (u32::MAX - 1, u32::MAX)] {
            let token = Token::from_parts(index, generation);
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
        assert_eq!(Token::from_parts(7, 9).to_bits(), 0x9_0000_0007);
    }
}
