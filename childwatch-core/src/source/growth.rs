//! [`room_for_more`]: how far a full table grows.

/// A full table grows by one part in so many.
const SHARE: usize = 16;

/// The first growth, and the least.
const LEAST: usize = 8;

/// Returns for how many more items a full table of `len` items gets room.
///
/// A `Vec` would double. Up to half of the engine's and a source's room would then be empty, and
/// with 10,000 children that is more than 50 bytes a child. To grow more often costs no time that
/// can be measured, because the allocator moves a large block without copying it.
pub(crate) fn room_for_more(len: usize) -> usize {
    (len / SHARE).max(LEAST)
}
