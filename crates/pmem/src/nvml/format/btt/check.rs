//! The full check of a block pool, which reads all of its maps.

use std::ops::Range;

use super::arena::{Arena, Infos};
use super::flog::Lane;
use super::geometry::MAP_ENTRY;
use super::map::MapEntry;
use super::{Pool, read};
use crate::nvml::format::bytes::u32_at;
use crate::nvml::format::source::{self, Source};
use crate::nvml::format::{Damage, Invalid};

/// How many slots are looked at in one pass over the map: their bitmap takes 32 MiB.
const SLOTS_PER_PASS: u32 = 1 << 28;

/// How many map entries are read at once.
const ENTRIES_PER_READ: u32 = 1 << 16;

/// Reads and validates a block pool as [`read`] does, and all of its maps too: after the recovery that opening the pool
/// does, each slot belongs to one block or to one lane. Damage in one of two info blocks counts here.
///
/// It costs time in proportion to the number of blocks, and at most 32 MiB of memory.
///
/// # Errors
/// [`Invalid`] for what is not a valid block pool.
pub(crate) fn check<S: Source + ?Sized>(source: &S) -> Result<Pool, Invalid> {
    let pool = read(source)?;
    for arena in &pool.arenas {
        check_infos(arena)?;
        check_map(source, arena, SLOTS_PER_PASS, ENTRIES_PER_READ)?;
    }
    Ok(pool)
}

fn check_infos(arena: &Arena) -> Result<(), Damage> {
    match &arena.infos {
        Infos::Intact | Infos::CopyMissing => Ok(()),
        Infos::CopyDamaged(damage) | Infos::FirstDamaged(damage) => Err(damage.clone()),
    }
}

/// Checks that no two blocks or lanes own the same slot. There are as many slots as blocks and lanes together, so each
/// then has an owner.
fn check_map<S: Source + ?Sized>(source: &S, arena: &Arena, per_pass: u32, per_read: u32) -> Result<(), Invalid> {
    let slots = arena.extent.geometry.slots;
    for start in (0..slots).step_by(per_pass as usize) {
        let mut owned = Owned::new(start..slots.min(start.saturating_add(per_pass)));
        for lane in &arena.lanes {
            owned.take(lane.free_slot());
        }
        take_mapped(source, arena, per_read, &mut owned)?;
    }
    Ok(())
}

/// Takes the slots of all blocks of the arena, by their map entries as recovery leaves them.
fn take_mapped<S: Source + ?Sized>(source: &S, arena: &Arena, per_read: u32, owned: &mut Owned) -> Result<(), Invalid> {
    let geometry = &arena.extent.geometry;
    let mut recovery = Recovery::new(&arena.lanes);
    let mut buffer = vec![0; per_read as usize * MAP_ENTRY as usize];
    for start in (0..geometry.blocks).step_by(per_read as usize) {
        let count = per_read.min(geometry.blocks - start);
        let bytes = &mut buffer[..count as usize * MAP_ENTRY as usize];
        source::read_into(source, "BTT map", arena.extent.map_entry(start), bytes)?;
        if is_zero(bytes) && recovery.is_over_before(start, count) && owned.take_all(start..start + count) {
            continue;
        }
        for (block, entry) in (start..).zip(bytes.chunks_exact(MAP_ENTRY as usize)) {
            let raw = u32_at(entry, 0);
            let Some(entry) = MapEntry::decode(raw, block, geometry) else {
                let detail = format!("it is {raw:#x}; the arena has {} slots", geometry.slots);
                return Err(Damage::new("BTT map entry", arena.extent.map_entry(block), detail).into());
            };
            let slot = recovery.apply(block, entry).slot;
            if !owned.take(slot) {
                let detail = format!("slot {slot} of block {block} belongs to another block or to a lane too");
                return Err(Damage::new("BTT map entry", arena.extent.map_entry(block), detail).into());
            }
        }
    }
    Ok(())
}

/// Whether no block of these map entries was ever written: each has the slot of its own number. Most of a large array that
/// is not used is so.
fn is_zero(entries: &[u8]) -> bool {
    entries.iter().fold(0, |sum, byte| sum | byte) == 0
}

/// What recovery does to map entries, for blocks in ascending order.
struct Recovery<'a> {
    /// The lanes in order of the blocks that they wrote last.
    lanes: Vec<&'a Lane>,
    next: usize,
}

impl<'a> Recovery<'a> {
    fn new(lanes: &'a [Lane]) -> Self {
        let mut lanes: Vec<_> = lanes.iter().collect();
        lanes.sort_by_key(|lane| lane.current().block);
        Self { lanes, next: 0 }
    }

    /// Whether it changes no map entry of these blocks.
    fn is_over_before(&self, start: u32, count: u32) -> bool {
        self.lanes.get(self.next).is_none_or(|lane| lane.current().block >= start + count)
    }

    /// The map entry of `block` after recovery, which was `entry` before.
    fn apply(&mut self, block: u32, entry: MapEntry) -> MapEntry {
        let mut recovered = entry;
        while let Some(lane) = self.lanes.get(self.next).filter(|lane| lane.current().block <= block) {
            recovered = lane.recover(recovered).unwrap_or(recovered);
            self.next += 1;
        }
        recovered
    }
}

/// Which of a range of slots have an owner.
struct Owned {
    range: Range<u32>,
    bits: Vec<u64>,
}

impl Owned {
    fn new(range: Range<u32>) -> Self {
        let bits = vec![0; range.len().div_ceil(64)];
        Self { range, bits }
    }

    /// Gives `slot` an owner, unless it has one. Slots outside the range never have.
    fn take(&mut self, slot: u32) -> bool {
        if !self.range.contains(&slot) {
            return true;
        }
        let index = slot - self.range.start;
        let (word, bit) = (&mut self.bits[index as usize / 64], 1 << (index % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// [`Owned::take`] of slots that nobody has. It may be false of such slots too, and takes none then.
    fn take_all(&mut self, slots: Range<u32>) -> bool {
        let (start, end) = (slots.start.wrapping_sub(self.range.start), slots.end.wrapping_sub(self.range.start));
        let inside = slots.start >= self.range.start && slots.end <= self.range.end;
        if !inside || !start.is_multiple_of(64) || !end.is_multiple_of(64) {
            return false;
        }
        let words = &mut self.bits[start as usize / 64..end as usize / 64];
        let are_free = words.iter().all(|word| *word == 0);
        if are_free {
            words.fill(!0);
        }
        are_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvml::format::tests::damage;
    use crate::nvml::format::tests::model::{Model, STEPS};

    #[test]
    fn slots_are_taken_together_where_all_are_free_and_end_a_word() {
        let mut owned = Owned::new(64..512);
        assert!(owned.take(200));
        for (slots, expected) in
            [(64..192, true), (64..128, false), (192..256, false), (256..300, false), (0..128, false)]
        {
            assert_eq!(owned.take_all(slots.clone()), expected, "{slots:?}");
        }
        assert!(!owned.take_all(448..576));
        assert!(owned.take_all(256..512));
        let taken = |slot| slot < 192 || slot == 200 || slot >= 256;
        assert!((64..512).all(|slot| owned.take(slot) != taken(slot)));
    }

    #[test]
    fn the_number_of_passes_and_reads_does_not_matter() {
        let mut model = Model::new(4096);
        for value in 1..50 {
            model.write(usize::from(value) % 5, u32::from(value) * 17 % 40, value, STEPS);
        }
        model.write(6, 3, 9, STEPS - 1);
        let found = |model: &Model, per_pass, per_read| {
            check_map(&model.bytes[..], &model.pool().arenas[0], per_pass, per_read)
        };
        let with_entry = |model: &Model, block, slot: u32| {
            let mut model = model.clone();
            model.put_u32(model.extent().map_entry(block), 3 << 30 | slot);
            model
        };
        for (per_pass, per_read) in [(1 << 28, 1 << 16), (1 << 28, 64), (128, 64), (100, 7), (64, 1), (1001, 4000)] {
            found(&model, per_pass, per_read).unwrap();
            for slot in [1001, 2001] {
                let damage = damage(found(&with_entry(&model, 1000, slot), per_pass, per_read));
                assert_eq!(damage.offset, model.extent().map_entry(slot), "{per_pass} {per_read} {slot}");
            }
        }
    }
}
