//! What a container's header says, and how it is written.

use super::values;
use crate::storage::bytes::{u32_at, u64_at};

/// The kinds of containers.
pub(super) const MAP: u8 = 1;
pub(super) const SET: u8 = 2;
pub(super) const SORTED_MAP: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const OBJECT: u8 = 5;
pub(super) const INSTANCE: u8 = 6;

/// It is in the free queue.
pub(super) const QUEUED: u8 = 1;
/// An object's fields are entries.
pub(super) const DICTIONARY: u8 = 2;
/// It is being freed, whoever refers to it.
pub(super) const CONDEMNED: u8 = 4;

const KNOWN_FLAGS: u8 = QUEUED | DICTIONARY | CONDEMNED;

/// The most items of an array.
pub(super) const MOST_ITEMS: u64 = (1 << 32) - 1;

/// What no index of an item comes near, however often items are put before others.
const MOST_INDEX: i64 = 1 << 62;

/// The bytes of the header of a record, and of all others, before what is behind them.
const RECORD: usize = 8;
const LONG: usize = 24;

/// A container's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// How many references there are to it.
    pub(super) refs: u32,
    /// How many entries it has.
    pub(super) size: u64,
    /// The number of the next entry, or the index of the first item.
    pub(super) base: i64,
    /// A record: its shape, and its values. Of a dictionary the shape that has its class.
    pub(super) record: Vec<u8>,
}

impl Header {
    pub(super) fn new(kind: u8) -> Self {
        let record = if kind >= OBJECT { vec![0; 4] } else { Vec::new() };
        Self { kind, flags: 0, refs: 0, size: 0, base: 0, record }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether its fields are one record.
    pub(super) fn is_record(&self) -> bool {
        self.kind >= OBJECT && !self.has(DICTIONARY)
    }

    /// Whether its entries are found by a hash of their keys.
    pub(super) fn is_keyed(&self) -> bool {
        matches!(self.kind, MAP | SET) || self.has(DICTIONARY)
    }

    /// The index of an array's first item, and how many there are. None where it is no array, or one that cannot be.
    pub(super) fn array(&self) -> Option<(i64, u64)> {
        let is_possible =
            self.kind == ARRAY && self.size <= MOST_ITEMS && (-MOST_INDEX..MOST_INDEX).contains(&self.base);
        is_possible.then_some((self.base, self.size))
    }

    /// The shape of an object.
    pub(super) fn shape(&self) -> u32 {
        u32_at(&self.record, 0)
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&[self.kind, self.flags, 0, 0]);
        into.extend_from_slice(&self.refs.to_le_bytes());
        if !self.is_record() {
            into.extend_from_slice(&self.size.to_le_bytes());
            into.extend_from_slice(&self.base.to_le_bytes());
        }
        into.extend_from_slice(&self.record);
    }

    /// None where these bytes are no header.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let &[kind @ MAP..=INSTANCE, flags @ 0..=KNOWN_FLAGS, 0, 0, ..] = bytes else { return None };
        let refs = u32_at(bytes.get(..RECORD)?, 4);
        let is_record = kind >= OBJECT && flags & DICTIONARY == 0;
        let (size, base, record) = if is_record {
            (0, 0, &bytes[RECORD..])
        } else {
            let long = bytes.get(..LONG)?;
            (u64_at(long, 8), u64_at(long, 16) as i64, &bytes[LONG..])
        };
        let is_whole = if kind < OBJECT {
            record.is_empty()
        } else {
            record.len() >= 4 && values::references(&record[4..]).is_some()
        };
        is_whole.then(|| Self { kind, flags, refs, size, base, record: record.to_vec() })
    }
}
