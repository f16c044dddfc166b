//! Blocks of bytes, and the checksum over one.

use std::ops::Range;

pub(super) use crate::storage::bytes::{array, put, u16_at, u32_at, u64_at};

/// Whether every byte is zero.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether `bytes` can be what a power cut leaves while `expected` is written over zeros: stores of eight bytes happen
/// or do not, in any order. Words that start in `unknown` may hold anything.
pub(super) fn is_torn_write(bytes: &[u8], expected: &[u8], unknown: &[Range<usize>]) -> bool {
    let mut words = (0..).step_by(8).zip(bytes.chunks(8).zip(expected.chunks(8)));
    words.all(|(at, (word, expected))| {
        is_zero(word) || word == expected || unknown.iter().any(|range| range.contains(&at))
    })
}

/// Fletcher's checksum with two sums of 32 bits over `bytes`, a multiple of four. The eight bytes at `at`, where it is
/// stored, and all from `end` on count as zeros.
pub(super) fn checksum(bytes: &[u8], at: usize, end: usize) -> u64 {
    let (mut low, mut high) = (0_u32, 0_u32);
    for (offset, word) in (0..).step_by(4).zip(bytes.chunks_exact(4)) {
        if offset < end && !(at..at + 8).contains(&offset) {
            low = low.wrapping_add(u32_at(word, 0));
        }
        high = high.wrapping_add(low);
    }
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_skips_itself_and_what_follows_its_end() {
        let mut bytes = [0_u8; 32];
        put(&mut bytes, 0, 1_u32.to_le_bytes());
        put(&mut bytes, 4, 2_u32.to_le_bytes());
        let sum = checksum(&bytes, 24, 32);
        assert_eq!(sum, (1 + 7 * 3) << 32 | 3);
        put(&mut bytes, 24, u64::MAX.to_le_bytes());
        assert_eq!(checksum(&bytes, 24, 32), sum);
        put(&mut bytes, 16, u64::MAX.to_le_bytes());
        assert_ne!(checksum(&bytes, 24, 32), sum);
        assert_eq!(checksum(&bytes, 24, 16), sum);
    }

    #[test]
    fn a_torn_write_has_old_or_new_words() {
        let expected = [7; 24];
        let mut torn = [0; 24];
        assert!(is_torn_write(&torn, &expected, &[]));
        torn[8..16].fill(7);
        assert!(is_torn_write(&torn, &expected, &[]));
        torn[3] = 7;
        assert!(!is_torn_write(&torn, &expected, &[]));
        assert!(is_torn_write(&torn, &expected, &[0..8, 16..24]));
        assert!(!is_torn_write(&torn, &expected, &[8..16, 16..24]));
    }
}
