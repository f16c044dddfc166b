//! The slots of a cursor's file.

use crate::os::deliberate;

/// The size of a cursor's file.
pub(super) const PAGE: usize = 4096;

/// The size of a slot.
pub(super) const SIZE: usize = 64;

/// Where the slots are.
const PLACES: [usize; 2] = [0, 2048];

const MAGIC: &[u8; 8] = b"PMEMCURS";

/// A position, as it was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) count: u64,
    pub(super) uuid: [u8; 16],
    pub(super) position: u64,
    pub(super) time: u64,
}

impl Slot {
    pub(super) fn bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.uuid);
        bytes[32..40].copy_from_slice(&self.position.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.time.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// None where there is none, or a damaged one.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let slot = Self {
            count: number(8)?,
            uuid: bytes.get(16..32)?.try_into().ok()?,
            position: number(32)?,
            time: number(40)?,
        };
        // What is reserved counts for the checksum alone.
        let checksum = crc32c::crc32c(bytes.get(..60)?).to_le_bytes();
        let is_sound = bytes.get(60..64)? == checksum || deliberate::is_on("cursor: slot not checked");
        (bytes.starts_with(MAGIC) && is_sound).then_some(slot)
    }

    /// The valid slot of the larger count.
    pub(super) fn latest(page: &[u8; PAGE]) -> Option<Self> {
        PLACES.iter().filter_map(|&at| Self::parse(&page[at..at + SIZE])).max_by_key(|slot| slot.count)
    }

    /// Whether no slot was finished yet: each lacks its magic, which is written last.
    pub(super) fn are_unwritten(page: &[u8; PAGE]) -> bool {
        PLACES.iter().all(|&at| page[at..at + 8] == [0; 8])
    }

    /// Where this one is written: the odd ones at the start.
    pub(super) fn place(&self) -> usize {
        PLACES[if deliberate::is_on("cursor: one slot") { 0 } else { (self.count as usize + 1) % 2 }]
    }
}
