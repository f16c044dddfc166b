//! Where the parts of an arena lie. All of it follows from the sizes of the arena and of a block.

use crate::nvml::format::PAGE;

/// How many lanes an arena has: as many free slots, and as many writes that can be under way at once.
pub(crate) const LANES: u32 = 256;

/// The largest arena in bytes.
pub(super) const MAX_ARENA: u64 = 512 << 30;

/// The smallest arena in bytes.
pub(super) const MIN_ARENA: u64 = 16 << 20;

/// The number of bytes of a flog: a pair of entries at a stride of 64 bytes for each lane.
pub(super) const FLOG_LEN: u64 = LANES as u64 * FLOG_STRIDE;

/// The distance in bytes from one lane's pair of entries to the next lane's.
pub(super) const FLOG_STRIDE: u64 = 64;

/// The number of bytes of a map entry.
pub(super) const MAP_ENTRY: u64 = 4;

/// The number of bytes before the data, which the info block takes up.
pub(super) const DATA: u64 = PAGE;

const MIN_SLOT: u64 = 512;
const SLOT_UNIT: u64 = 256;
const MIN_SLOTS: u64 = 2 * LANES as u64;

/// The parts of an arena, as byte offsets from its start, and what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// The number of bytes of the arena.
    pub len: u64,
    /// The number of bytes of a block.
    pub block_size: u32,
    /// The number of bytes of the slot that holds a block.
    pub slot_size: u32,
    /// How many blocks there are, each with a map entry.
    pub blocks: u32,
    /// How many slots there are: one for each block, and one for each lane.
    pub slots: u32,
    /// Where the map starts.
    pub map: u64,
    /// Where the flog starts.
    pub flog: u64,
    /// Where the copy of the info block starts.
    pub info_copy: u64,
}

impl Geometry {
    /// The parts of an arena of `len` bytes, a number of whole pages. `None` where it has too few slots, or is
    /// smaller or larger than arenas are.
    pub(crate) fn new(len: u64, block_size: u32) -> Option<Self> {
        if !(MIN_ARENA..=MAX_ARENA).contains(&len) || block_size == 0 {
            return None;
        }
        let slot_size = u64::from(block_size).max(MIN_SLOT).next_multiple_of(SLOT_UNIT);
        // One page more is set aside, since rounding up the map can take as much.
        let room = len - 2 * PAGE - FLOG_LEN - PAGE;
        let slots = room / (slot_size + MAP_ENTRY);
        if slots < MIN_SLOTS {
            return None;
        }
        let slots = u32::try_from(slots).ok()?;
        let blocks = slots - LANES;
        let info_copy = len - PAGE;
        let flog = info_copy - FLOG_LEN;
        let map = flog - (u64::from(blocks) * MAP_ENTRY).next_multiple_of(PAGE);
        let slot_size = u32::try_from(slot_size).ok()?;
        Some(Self { len, block_size, slot_size, blocks, slots, map, flog, info_copy })
    }
}
