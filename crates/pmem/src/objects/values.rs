//! Values as bytes, as far as the core knows them: how long they are, and which container one names.

use crate::storage::bytes::u32_at;

/// What a value's first byte says that it is.
pub(super) const REFERENCE: u8 = 7;
const STRING: u8 = 16;

/// How many bytes a value has that these begin with. None where they are none.
pub(super) fn len(bytes: &[u8]) -> Option<usize> {
    let len = match *bytes.first()? {
        0..=3 => 1,
        4 => 5,
        5..=REFERENCE => 9,
        8 | 9 | 17 | 18 => 5 + u32_at(bytes.get(1..5)?, 0) as usize,
        STRING => 2 + usize::from(*bytes.get(1)?),
        _ => return None,
    };
    (len <= bytes.len()).then_some(len)
}

/// The value that these begin with, and what follows.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(len(bytes)?)
}

/// The container that a value names.
pub(super) fn reference(value: &[u8]) -> Option<u64> {
    (value.first() == Some(&REFERENCE)).then(|| id_at(value, 2))
}

/// A value that names a container.
#[cfg(test)]
pub(super) fn naming(kind: u8, id: u64) -> Vec<u8> {
    let mut value = vec![REFERENCE, kind];
    value.extend_from_slice(&id.to_le_bytes()[..7]);
    value
}

/// The containers that values name which stand one behind the other. None where these are no values.
pub(super) fn references(mut bytes: &[u8]) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (value, rest) = split(bytes)?;
        found.extend(reference(value));
        bytes = rest;
    }
    Some(found)
}

/// An id of 7 bytes, little-endian.
pub(super) fn id_at(bytes: &[u8], at: usize) -> u64 {
    let mut id = [0; 8];
    id[..7].copy_from_slice(&bytes[at..at + 7]);
    u64::from_le_bytes(id)
}
