//! [`Token`]: the name of an armed process.

/// The name of one armed process: an index and a generation.
///
/// Tokens that are armed at one time have different indices. The indices are small, so a source
/// may use them as indices of its table. An index is used again for other processes, and each
/// of them has another generation. A report with an old generation is stale. The generation
/// wraps after 2³² uses of one index. That is far more than the reports that can be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// Returns the token with this index and generation.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Token { index, generation }
    }

    /// Returns the index, which is unique among the tokens that are armed at one time.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Returns the generation, which distinguishes the processes that have had this index.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// Returns index and generation in one number, for example for the data of an epoll event. No
    /// token of the engine gives `u64::MAX`.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// Returns the token for which [`to_bits`](Self::to_bits) returns this number.
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
