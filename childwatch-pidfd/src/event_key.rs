//! Which armed process an epoll event is of.
//!
//! mio's token is a `usize`. With 64 bits it is the engine's [`Token`], index and generation, so
//! that an event of an index's former holder finds nothing. With 32 bits it is the index and the
//! youngest bits of the generation. Then an event of a former holder may, after some thousand
//! holders, look like one of the present holder's. So on such targets the source asks, at each
//! event, whether the process has really exited.

use childwatch_core::source::Token;

/// On targets with 32 bits: how many bits the index has. So many processes can be armed at one
/// time as the kernel lets a process open files, unless `fs.nr_open` is raised.
const INDEX_BITS: u32 = 20;

const INDEX: u32 = (1 << INDEX_BITS) - 1;

/// Whether a key has room for the whole token.
const HOLDS_TOKEN: bool = cfg!(target_pointer_width = "64");

/// The key of events that are no process's.
pub(crate) const WAKE: mio::Token = mio::Token(usize::MAX);

/// Returns `true` if an event is certainly one of the process that [`token`] returns for it.
pub(crate) const fn is_certain() -> bool {
    HOLDS_TOKEN
}

/// Returns the key under which epoll gets to know the process. `None` if there is none left.
pub(crate) fn of(token: Token) -> Option<mio::Token> {
    let key = if HOLDS_TOKEN {
        token.to_bits() as usize
    } else {
        packed(token)? as usize
    };
    Some(mio::Token(key))
}

/// Returns the token of the process that the event with this key is of. `armed_at` returns what
/// is armed at an index.
pub(crate) fn token(key: mio::Token, armed_at: impl FnOnce(u32) -> Option<Token>) -> Option<Token> {
    if HOLDS_TOKEN {
        Some(Token::from_bits(key.0 as u64))
    } else {
        unpacked(key.0 as u32, armed_at)
    }
}

/// It is never `u32::MAX`, because that is [`WAKE`].
fn packed(token: Token) -> Option<u32> {
    let generation = token.generation() << INDEX_BITS;
    (token.index() < INDEX).then_some(generation | token.index())
}

fn unpacked(key: u32, armed_at: impl FnOnce(u32) -> Option<Token>) -> Option<Token> {
    let token = armed_at(key & INDEX)?;
    (packed(token) == Some(key)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_finds_the_token_that_was_armed_and_no_former_one() {
        for (index, generation) in [(0, 0), (7, 9), (INDEX - 1, u32::MAX)] {
            let armed = Token::from_parts(index, generation);
            assert_eq!(token(of(armed).unwrap(), |_| Some(armed)), Some(armed));
            assert_ne!(of(armed), Some(WAKE));

            let key = packed(armed).unwrap();
            assert_ne!(key, u32::MAX);
            let at = |asked| (asked == index).then_some(armed);
            assert_eq!(unpacked(key, at), Some(armed));
            assert_eq!(unpacked(key, |_| None), None);
            let next = Token::from_parts(index, generation.wrapping_add(1));
            assert_eq!(unpacked(key, |_| Some(next)), None);
        }
    }

    #[test]
    fn an_index_that_does_not_fit_has_no_key() {
        assert_eq!(packed(Token::from_parts(INDEX, 0)), None);
        assert_eq!(packed(Token::from_parts(u32::MAX, 1)), None);
    }
}
