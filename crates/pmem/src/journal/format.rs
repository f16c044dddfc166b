//! What lies at the start of a segment, as bytes: its header, and its slots. `docs/journal-format.md` has the layout.

use std::path::Path;

use crate::os::deliberate;
use crate::storage::bytes::{array, put, u32_at, u64_at};
use crate::storage::frames::HEADER;

/// Where a segment's frames start, in bytes.
pub(super) const DATA_START: u64 = 4096;

/// How long a segment's file is at least.
pub(super) const LEAST_SEGMENT: u64 = 64 << 10;

/// Sequences stay below this one, so that JavaScript's numbers hold them exactly.
pub(super) const END_OF_SEQUENCES: u64 = (1 << 53) - 1;

const MAGIC: &[u8; 8] = b"PMEMJRNL";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 96;
/// The length of a slot, in bytes.
pub(super) const SLOT_LEN: usize = 96;
const SLOTS: [u64; 2] = [1024, 2048];

/// A journal's name for itself.
pub(super) type Uuid = [u8; 16];

/// What a segment is, from its making on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) uuid: Uuid,
    pub(super) epoch: u64,
    /// The sequence of its first record.
    pub(super) first: u64,
    /// The oldest sequence that the journal kept.
    pub(super) kept: u64,
    /// The size of the file.
    pub(super) size: u64,
    pub(super) created: u64,
    pub(super) salt: u64,
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Frames may follow.
    Open,
    /// The journal was closed behind the last one.
    Closed,
    /// The segment of this salt goes on.
    Sealed(u64),
}

/// What is known of a segment's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) count: u64,
    /// Where the frames end that are known to be durable.
    pub(super) end: u64,
    /// The sequence behind them.
    pub(super) next: u64,
    /// No frame ends behind it.
    pub(super) reach: u64,
    /// The oldest sequence that the journal keeps.
    pub(super) kept: u64,
    pub(super) epoch: u64,
    /// The latest time of the records before the end.
    pub(super) latest: u64,
    pub(super) state: State,
}

/// Why a segment's start is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) offset: u64,
    pub(super) what: String,
    /// A newer version made it; it is not damaged.
    pub(super) is_newer: bool,
}

impl Refused {
    fn at(offset: u64, what: impl Into<String>) -> Self {
        Self { offset, what: what.into(), is_newer: false }
    }
}

impl Header {
    /// Its bytes.
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        put(&mut bytes, 0, *MAGIC);
        put(&mut bytes, 8, VERSION.to_le_bytes());
        put(&mut bytes, 24, self.uuid);
        let numbers = [self.epoch, self.first, self.kept, self.size, self.created, self.salt];
        for (at, number) in (40..).step_by(8).zip(numbers) {
            put(&mut bytes, at, number.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&bytes[..92]);
        put(&mut bytes, 92, checksum.to_le_bytes());
        bytes
    }

    /// The header in a segment's first page.
    pub(super) fn decode(page: &[u8]) -> Result<Self, Refused> {
        if page[..8] != *MAGIC {
            return Err(Refused::at(0, "it does not begin as a journal's segment"));
        }
        if u32_at(page, 92) != crc32c::crc32c(&page[..92]) && !deliberate::is_on("journal: header not checked") {
            return Err(Refused::at(92, "its header's checksum is not that of its bytes"));
        }
        let (version, incompatible) = (u32_at(page, 8), u32_at(page, 16));
        if version != VERSION || incompatible != 0 {
            let what = format!(
                "it is of version {version}, with the features {incompatible:#x}; this package knows version {VERSION}"
            );
            return Err(Refused { offset: 8, what, is_newer: true });
        }
        let header = Self {
            uuid: array(page, 24),
            epoch: u64_at(page, 40),
            first: u64_at(page, 48),
            kept: u64_at(page, 56),
            size: u64_at(page, 64),
            created: u64_at(page, 72),
            salt: u64_at(page, 80),
        };
        let is_small = header.first <= END_OF_SEQUENCES && header.epoch <= END_OF_SEQUENCES;
        if header.size < DATA_START || header.kept > header.first || !is_small {
            return Err(Refused::at(48, "its header's numbers are impossible"));
        }
        Ok(header)
    }
}

/// Whether a version that knows other features may write the segment.
pub(super) fn may_write(page: &[u8]) -> bool {
    u32_at(page, 20) == 0
}

impl Slot {
    /// Where it is written.
    pub(super) fn place(&self) -> u64 {
        SLOTS[usize::from(self.count.is_multiple_of(2) && !deliberate::is_on("journal: one slot"))]
    }

    /// Its bytes, in the segment of this salt.
    pub(super) fn encode(&self, salt: u64) -> [u8; SLOT_LEN] {
        let mut bytes = [0; SLOT_LEN];
        let numbers = [self.count, self.end, self.next, self.reach, self.kept, self.epoch, self.latest];
        for (at, number) in (0..).step_by(8).zip(numbers) {
            put(&mut bytes, at, number.to_le_bytes());
        }
        let (state, next_salt) = match self.state {
            State::Open => (0_u32, 0_u64),
            State::Closed => (1, 0),
            State::Sealed(salt) => (2, salt),
        };
        put(&mut bytes, 56, state.to_le_bytes());
        put(&mut bytes, 64, next_salt.to_le_bytes());
        let checksum = slot_checksum(&bytes, salt);
        put(&mut bytes, 92, checksum.to_le_bytes());
        bytes
    }

    /// The slot that holds in the first page of a segment with this header. Where the other one is damaged, which a crash
    /// while it was written also leaves, it may have said more: that frames follow, and up to the end of the file.
    pub(super) fn current(page: &[u8], header: &Header) -> Result<Self, Refused> {
        let bytes = |at: u64| &page[at as usize..][..SLOT_LEN];
        let slots = SLOTS
            .map(|at| Self::decode(bytes(at), header).filter(|slot| slot.place() == at && slot.is_possible(header)));
        let holds = slots.iter().flatten().max_by_key(|slot| slot.count);
        let slot = *holds.ok_or_else(|| Refused::at(SLOTS[0], "neither slot's checksum is that of its bytes"))?;
        // Behind the first slot there may be none yet.
        let is_alone = slot.count == 1 && bytes(SLOTS[1]).iter().all(|&byte| byte == 0);
        if is_alone || slots.iter().all(Option::is_some) {
            return Ok(slot);
        }
        if deliberate::is_on("journal: older slot trusted") {
            return Ok(slot);
        }
        let state = if slot.state == State::Closed { State::Open } else { slot.state };
        Ok(Self { reach: header.size, state, ..slot })
    }

    fn decode(bytes: &[u8], header: &Header) -> Option<Self> {
        let is_trusted = deliberate::is_on("journal: slot not checked");
        if !is_trusted && u32_at(bytes, 92) != slot_checksum(bytes, header.salt) {
            return None;
        }
        let state = match u32_at(bytes, 56) {
            0 => State::Open,
            1 => State::Closed,
            2 => State::Sealed(u64_at(bytes, 64)),
            _ => return None,
        };
        Some(Self {
            count: u64_at(bytes, 0),
            end: u64_at(bytes, 8),
            next: u64_at(bytes, 16),
            reach: u64_at(bytes, 24),
            kept: u64_at(bytes, 32),
            epoch: u64_at(bytes, 40),
            latest: u64_at(bytes, 48),
            state,
        })
    }

    fn is_possible(&self, header: &Header) -> bool {
        let is_ordered = DATA_START <= self.end && self.end <= self.reach && self.reach <= header.size;
        is_ordered && self.end.is_multiple_of(8) && self.are_sequences_possible(header)
    }

    fn are_sequences_possible(&self, header: &Header) -> bool {
        let most = (self.end - DATA_START) / HEADER as u64;
        let is_counted = self.next.checked_sub(header.first).is_some_and(|count| count <= most);
        let is_small =
            self.next <= END_OF_SEQUENCES && self.epoch <= END_OF_SEQUENCES && self.count <= END_OF_SEQUENCES;
        is_counted && is_small && self.kept <= self.next
    }
}

fn slot_checksum(slot: &[u8], salt: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &slot[..92])
}

/// A segment's file name.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// The first sequence that a segment's file name says; none of other files.
pub(super) fn first_of(path: impl AsRef<Path>) -> Option<u64> {
    let digits = path.as_ref().file_name()?.to_str()?.strip_suffix(".seg")?;
    if digits.len() != 20 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { uuid: [3; 16], epoch: 1, first: 5, kept: 2, size: 1 << 20, created: 9, salt: 77 };
    const SLOT: Slot =
        Slot { count: 1, end: 8192, next: 10, reach: 1 << 19, kept: 2, epoch: 1, latest: 8, state: State::Sealed(55) };

    fn page(slots: &[Slot]) -> [u8; 4096] {
        let mut page = [0; 4096];
        page[..HEADER_LEN].copy_from_slice(&HEADER.encode());
        for slot in slots {
            page[slot.place() as usize..][..SLOT_LEN].copy_from_slice(&slot.encode(HEADER.salt));
        }
        page
    }

    #[test]
    fn header_and_slots_come_back() {
        let newer = Slot { count: 2, state: State::Closed, ..SLOT };
        let page = page(&[SLOT, newer]);
        assert_eq!(Header::decode(&page), Ok(HEADER));
        assert_eq!(Slot::current(&page, &HEADER), Ok(newer));
    }

    #[test]
    fn a_damaged_slot_leaves_the_other() {
        let mut page = page(&[SLOT, Slot { count: 2, ..SLOT }]);
        page[2050] ^= 1;
        assert_eq!(Slot::current(&page, &HEADER), Ok(Slot { reach: HEADER.size, ..SLOT }));
        page[1050] ^= 1;
        assert!(Slot::current(&page, &HEADER).is_err());
    }

    #[test]
    fn a_slot_of_another_segment_is_none() {
        let page = page(&[SLOT]);
        assert!(Slot::current(&page, &Header { salt: 78, ..HEADER }).is_err());
    }

    #[test]
    fn each_changed_bit_of_a_header_shows() {
        let mut page = page(&[SLOT]);
        for bit in 0..HEADER_LEN * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&page).is_err(), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn newer_versions_are_not_damage() {
        let mut page = page(&[SLOT]);
        page[16] = 4;
        let checksum = crc32c::crc32c(&page[..92]);
        page[92..96].copy_from_slice(&checksum.to_le_bytes());
        assert!(Header::decode(&page).unwrap_err().is_newer);
    }

    #[test]
    fn names_are_sequences() {
        assert_eq!(file_name(16384), "00000000000000016384.seg");
        assert_eq!(first_of("00000000000000016384.seg"), Some(16384));
        for other in ["16384.seg", "0000000000000001638x.seg", "00000000000000016384", "+0000000000000016384.seg"] {
            assert_eq!(first_of(other), None);
        }
    }
}
