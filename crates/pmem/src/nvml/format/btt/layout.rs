//! How a block pool is divided into arenas.

use std::ops::Range;

use super::ARENAS_START;
use super::geometry::{DATA, FLOG_STRIDE, Geometry, MAP_ENTRY, MAX_ARENA, MIN_ARENA};
use super::map::MapEntry;
use crate::nvml::format::{Damage, used_size};

/// The arenas of a pool: as many of the largest size as fit, and one of what is left if that is large enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// How many arenas have the largest size.
    largest: u32,
    /// An arena of the largest size; that of the rest where there is no such arena.
    largest_geometry: Geometry,
    rest: Option<Geometry>,
}

/// Where an arena lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where the arena starts, in bytes from the start of the file.
    pub start: u64,
    /// How far the next arena's start is from this one's; 0 where there is none.
    pub next: u64,
    /// The parts of the arena, from its start.
    pub geometry: Geometry,
}

impl Extent {
    /// The map entry of `block` whose bytes are `raw`.
    ///
    /// # Errors
    /// [`Damage`] for one that names no slot of the arena.
    #[inline]
    pub(crate) fn decode_entry(&self, block: u32, raw: u32) -> Result<MapEntry, Damage> {
        MapEntry::decode(raw, block, &self.geometry).ok_or_else(|| self.wild_entry(block, raw))
    }

    #[cold]
    fn wild_entry(&self, block: u32, raw: u32) -> Damage {
        let detail = format!("it is {raw:#x}; the arena has {} slots", self.geometry.slots);
        Damage::new("BTT map entry", self.map_entry(block), detail)
    }

    /// Where the map entry of the arena's block `block` lies, in bytes from the start of the file.
    pub(crate) fn map_entry(&self, block: u32) -> u64 {
        self.start + self.geometry.map + u64::from(block) * MAP_ENTRY
    }

    /// Where the slot with number `slot` starts, in bytes from the start of the file.
    pub(crate) fn slot(&self, slot: u32) -> u64 {
        self.start + DATA + u64::from(slot) * u64::from(self.geometry.slot_size)
    }

    /// Where the pair of flog entries of `lane` lies, in bytes from the start of the file.
    pub(crate) fn flog_pair(&self, lane: u32) -> u64 {
        self.flog() + u64::from(lane) * FLOG_STRIDE
    }

    /// Where the flog starts, in bytes from the start of the file.
    pub(crate) fn flog(&self) -> u64 {
        self.start + self.geometry.flog
    }

    /// Where the copy of the info block starts, in bytes from the start of the file.
    pub(crate) fn info_copy(&self) -> u64 {
        self.start + self.geometry.info_copy
    }

    /// The bytes of the map from the start of the file, with those that round it up to whole pages.
    pub(crate) fn map(&self) -> Range<u64> {
        self.map_entry(0)..self.flog()
    }
}

impl Layout {
    /// The arenas of a pool in a file of `size` bytes. `None` where the file is too small for a pool, or the blocks are
    /// so large that one of the arenas has too few.
    pub(crate) fn new(size: u64, block_size: u32) -> Option<Self> {
        let room = used_size(size).checked_sub(ARENAS_START)?;
        let largest = u32::try_from(room / MAX_ARENA).ok()?;
        let rest = match room % MAX_ARENA {
            rest if rest < MIN_ARENA => None,
            rest => Some(Geometry::new(rest, block_size)?),
        };
        let largest_geometry = if largest > 0 { Geometry::new(MAX_ARENA, block_size)? } else { rest? };
        Some(Self { largest, largest_geometry, rest })
    }

    /// How many arenas there are; at least one.
    pub(crate) fn arenas(&self) -> u32 {
        self.largest + u32::from(self.rest.is_some())
    }

    /// How many blocks the pool has.
    pub(crate) fn blocks(&self) -> u64 {
        let rest = self.rest.map_or(0, |rest| u64::from(rest.blocks));
        u64::from(self.largest) * u64::from(self.largest_geometry.blocks) + rest
    }

    /// The extent of the arena with number `index`, which is less than [`Layout::arenas`].
    pub(crate) fn arena(&self, index: u32) -> Extent {
        let geometry =
            if index < self.largest { self.largest_geometry } else { self.rest.unwrap_or(self.largest_geometry) };
        let next = if index + 1 < self.arenas() { geometry.len } else { 0 };
        Extent { start: ARENAS_START + u64::from(index) * MAX_ARENA, next, geometry }
    }

    /// The extents of all arenas in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Extent> + '_ {
        (0..self.arenas()).map(|index| self.arena(index))
    }

    /// The arena that has the pool's block `block`, and the block's number in it. `None` past the last block.
    pub(crate) fn locate(&self, block: u64) -> Option<(u32, u32)> {
        if block >= self.blocks() {
            return None;
        }
        let per_arena = u64::from(self.largest_geometry.blocks);
        // Where the rest is the only arena, it is also what `largest_geometry` is.
        let arena = (block / per_arena).min(u64::from(self.arenas() - 1));
        Some((u32::try_from(arena).ok()?, u32::try_from(block - arena * per_arena).ok()?))
    }
}
