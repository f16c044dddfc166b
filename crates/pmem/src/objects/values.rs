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
        8 | 9 | 17 | 18 => (u32_at(bytes.get(1..5)?, 0) as usize).checked_add(5)?,
        STRING => 2 + usize::from(*bytes.get(1)?),
        _ => return None,
    };
    (len <= bytes.len()).then_some(len)
}

/// The value that these begin with, and what follows.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(len(bytes)?)
}

/// Whether these are one value.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    len(bytes) == Some(bytes.len())
}

/// The container that a value names.
pub(super) fn reference(value: &[u8]) -> Option<u64> {
    (value.first() == Some(&REFERENCE)).then(|| value.get(2..9).map(|id| id_at(id, 0))).flatten()
}

/// A value that names a container.
#[cfg(test)]
pub(super) fn naming(kind: u8, id: u64) -> Vec<u8> {
    let mut value = vec![REFERENCE, kind];
    value.extend_from_slice(&id.to_le_bytes()[..7]);
    value
}

/// How many values stand here one behind the other. None where these are no values.
pub(super) fn count(mut bytes: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !bytes.is_empty() {
        bytes = split(bytes)?.1;
        count += 1;
    }
    Some(count)
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
