//! Which blocks of the file are free: bitmaps of zones, each loaded when it is first needed.
//!
//! A block that the tree gives up is free in the bitmaps of the next checkpoint, and is used again once that is durable and
//! nobody sees a tree any more that had it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::format::{Geometry, PAGE, checksum};
use super::store::Store;
use super::tree::Extent;
use crate::Result;
use crate::os::deliberate;
use crate::storage::bytes::{array, u32_at};

/// The bit of a table's entry that says which of a zone's two bitmaps is its own.
const SIDE: u32 = 1 << 31;

/// What keeps the blocks of a tree from being used again, as long as someone has it.
#[derive(Debug, Default)]
pub(super) struct Generation;

/// The blocks of a file.
pub(super) struct Space {
    geometry: Geometry,
    /// How many blocks the file has, with those that are no nodes.
    blocks: u64,
    zones: Vec<Zone>,
    /// How many can be used at once.
    free: u64,
    waiting: VecDeque<Waiting>,
    waiting_blocks: u64,
}

struct Zone {
    side: u32,
    checksum: u32,
    /// How many can be used at once.
    free: u32,
    /// How many of the others were given up, and wait.
    waiting: u32,
    bits: Option<Bits>,
    /// No word before this one has a free block.
    hint: usize,
    /// What a checkpoint has to write.
    is_changed: bool,
}

/// The blocks of a zone, in words of 64.
struct Bits {
    /// Those that cannot be used.
    used: Box<[u64]>,
    /// Those of them that were not given up: what a checkpoint writes.
    kept: Box<[u64]>,
}

/// Blocks that were given up before a checkpoint.
struct Waiting {
    epoch: u64,
    generation: Weak<Generation>,
    extents: Vec<Extent>,
}

/// What a checkpoint writes of it: at which offsets what.
pub(super) struct Written {
    pub(super) writes: Vec<(u64, Vec<u8>)>,
    pub(super) zones: u64,
    pub(super) table: u32,
}

impl Space {
    /// Of a new file.
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { geometry, blocks: 0, zones: Vec::new(), free: 0, waiting: VecDeque::new(), waiting_blocks: 0 }
    }

    /// Of a file that has a checkpoint, whose table of zones this is.
    pub(super) fn load(geometry: Geometry, blocks: u64, table: &[u8]) -> Self {
        let zones: Vec<Zone> = table.chunks_exact(8).map(Zone::decode).collect();
        let free = zones.iter().map(|zone| u64::from(zone.free)).sum();
        Self { geometry, blocks, zones, free, waiting: VecDeque::new(), waiting_blocks: 0 }
    }

    /// How many blocks the file has, with those that are no nodes.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// How many can be used at once.
    pub(super) fn free(&self) -> u64 {
        self.free
    }

    /// How many will be free once nobody sees them any more.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting_blocks
    }

    /// From now on the file has so many blocks, which is more than before.
    pub(super) fn grow(&mut self, blocks: u64, store: &Store) -> Result<()> {
        let (size, blocks) = (self.geometry.zone_blocks, self.end_at(blocks));
        for zone in self.blocks / size..blocks.div_ceil(size) {
            if zone as usize == self.zones.len() {
                self.zones.push(Zone::new(size));
            }
            self.load_bits(zone as usize, store)?;
            let start = self.blocks.max(zone * size + self.geometry.first_block(zone));
            let end = blocks.min((zone + 1) * size);
            (start..end).for_each(|block| self.give(block, 1));
        }
        self.blocks = blocks;
        Ok(())
    }

    /// So many blocks in a row, if there are any.
    pub(super) fn allocate(&mut self, count: u64, store: &Store) -> Result<Option<Extent>> {
        for zone in 0..self.zones.len() {
            if u64::from(self.zones[zone].free) < count {
                continue;
            }
            self.load_bits(zone, store)?;
            let entry = &mut self.zones[zone];
            if let Some(first) = entry.find(count) {
                entry.take(first, count);
                self.free -= count;
                return Ok(Some((zone as u64 * self.geometry.zone_blocks + first, count)));
            }
        }
        Ok(None)
    }

    /// Blocks are free that were allocated for nothing.
    pub(super) fn give_back(&mut self, extents: impl IntoIterator<Item = Extent>) {
        extents.into_iter().for_each(|(block, count)| self.give(block, count));
    }

    fn give(&mut self, block: u64, count: u64) {
        let (zone, first) = self.zone_of(block);
        mark(&mut zone.bits_mut().kept, first, count, false);
        zone.is_changed = true;
        zone.free_up(first, count);
        self.free += count;
    }

    /// The zone of a block, and where it is in it.
    fn zone_of(&mut self, block: u64) -> (&mut Zone, u64) {
        let size = self.geometry.zone_blocks;
        (&mut self.zones[(block / size) as usize], block % size)
    }

    /// Gives blocks at the end back that are free, if they are many; some stay, to grow into. Returns how many blocks there are by
    /// then.
    pub(super) fn cut(&mut self, spare: u64, store: &Store) -> Result<u64> {
        let size = self.geometry.zone_blocks;
        let end = self.used_end(store)? + spare;
        let end = self.end_at(end);
        if end + self.blocks / 4 + spare > self.blocks {
            return Ok(self.blocks);
        }
        let (zones, blocks) = (end.div_ceil(size), self.blocks);
        for zone in end / size..self.zones.len() as u64 {
            let start = end.max(zone * size + self.geometry.first_block(zone));
            let count = blocks.min((zone + 1) * size).saturating_sub(start);
            self.load_bits(zone as usize, store)?;
            self.zones[zone as usize].take(start - zone * size, count);
            self.free -= count;
        }
        self.zones.truncate(zones as usize);
        self.blocks = end;
        Ok(end)
    }

    /// Where a file of so many blocks ends: not within what a zone begins with, its bitmaps, which would be cut off.
    fn end_at(&self, blocks: u64) -> u64 {
        let (zone, rest) = (blocks / self.geometry.zone_blocks, blocks % self.geometry.zone_blocks);
        let is_within = rest < self.geometry.first_block(zone) && !deliberate::is_on("heap: file cut within bitmaps");
        if is_within { zone * self.geometry.zone_blocks } else { blocks }
    }

    /// Behind the last block that is used.
    fn used_end(&mut self, store: &Store) -> Result<u64> {
        let size = self.geometry.zone_blocks;
        for zone in (0..self.zones.len() as u64).rev() {
            let first = self.geometry.first_block(zone);
            let here = size.min(self.blocks - zone * size);
            let used = &self.load_bits(zone as usize, store)?.used;
            if let Some(last) = (first..here).rev().find(|block| is_set(used, *block)) {
                return Ok(zone * size + last + 1);
            }
            if zone == 0 {
                return Ok(first);
            }
        }
        Ok(0)
    }

    /// Notes what was given up before the checkpoint of this epoch, by trees that whoever has `generation` may see.
    ///
    /// # Errors
    /// Damage, where that is not in use, or was given up before: then nothing leads to it that can be relied on, and nothing is
    /// given up.
    pub(super) fn wait(
        &mut self,
        epoch: u64,
        generation: &Arc<Generation>,
        extents: &mut Vec<Extent>,
        store: &Store,
    ) -> Result<()> {
        for (index, &(block, count)) in extents.iter().enumerate() {
            if let Err(error) = self.give_up(block, count, store) {
                extents[..index].iter().for_each(|&(block, count)| self.keep(block, count));
                return Err(error);
            }
        }
        self.waiting_blocks += extents.iter().map(|(_, count)| count).sum::<u64>();
        let extents = std::mem::take(extents);
        self.waiting.push_back(Waiting { epoch, generation: Arc::downgrade(generation), extents });
        Ok(())
    }

    /// What was given up last is not.
    pub(super) fn take_back_last(&mut self) -> Vec<Extent> {
        let extents = self.waiting.pop_back().map(|waiting| waiting.extents).unwrap_or_default();
        extents.iter().for_each(|&(block, count)| self.keep(block, count));
        self.waiting_blocks -= extents.iter().map(|(_, count)| count).sum::<u64>();
        extents
    }

    /// Blocks are not in the next checkpoint.
    fn give_up(&mut self, block: u64, count: u64, store: &Store) -> Result<()> {
        let (size, first) = (self.geometry.zone_blocks, block % self.geometry.zone_blocks);
        if !self.geometry.has_blocks(block, count, self.blocks) {
            return Err(store.damaged(block, "what was in use lies outside the blocks of the file"));
        }
        let kept = &self.load_bits((block / size) as usize, store)?.kept;
        let is_kept = (first..first + count).all(|block| is_set(kept, block));
        if !is_kept && !deliberate::is_on("heap: given up twice") {
            return Err(store.damaged(block, "what was in use is free, or two references lead to it"));
        }
        let (zone, first) = self.zone_of(block);
        mark(&mut zone.bits_mut().kept, first, count, false);
        zone.waiting += count as u32;
        zone.is_changed = true;
        Ok(())
    }

    /// Blocks that were given up are not.
    fn keep(&mut self, block: u64, count: u64) {
        let (zone, first) = self.zone_of(block);
        mark(&mut zone.bits_mut().kept, first, count, true);
        zone.waiting -= count as u32;
    }

    /// The checkpoint of this epoch is durable: what was given up before it can be used, once nobody sees it.
    pub(super) fn release(&mut self, epoch: u64) {
        while let Some(first) = self.waiting.front() {
            let is_seen = first.generation.strong_count() > 0 && !deliberate::is_on("heap: snapshots do not pin");
            if first.epoch > epoch || is_seen {
                return;
            }
            let Some(Waiting { extents, .. }) = self.waiting.pop_front() else { return };
            for (block, count) in extents {
                let (zone, first) = self.zone_of(block);
                zone.waiting -= count as u32;
                zone.free_up(first, count);
                self.waiting_blocks -= count;
                self.free += count;
            }
        }
    }

    /// What the checkpoint of this epoch writes: what only others see is free in it.
    pub(super) fn write(&mut self, epoch: u64, store: &Store) -> Written {
        let (mut writes, mut table) = (Vec::new(), Vec::new());
        for (number, zone) in self.zones.iter_mut().enumerate() {
            if zone.is_changed {
                let bytes: Vec<u8> = zone.bits_mut().kept.iter().flat_map(|word| word.to_le_bytes()).collect();
                zone.side ^= if deliberate::is_on("heap: bitmaps changed in place") { 0 } else { SIDE };
                let offset = self.geometry.bits(number as u64, u64::from(zone.side == SIDE));
                zone.checksum = checksum(&bytes, store.salt, offset);
                zone.is_changed = false;
                writes.push((offset, bytes));
            }
            table.extend_from_slice(&zone.encode());
        }
        let offset = self.geometry.table(epoch % 2);
        let table_checksum = checksum(&table, store.salt, offset);
        writes.push((offset, table));
        Written { writes, zones: self.zones.len() as u64, table: table_checksum }
    }

    /// The bits of a zone, which are loaded by then.
    fn load_bits(&mut self, number: usize, store: &Store) -> Result<&Bits> {
        let zone = &mut self.zones[number];
        if zone.bits.is_none() {
            let used = read_bits(&self.geometry, number as u64, zone, self.blocks, store)?;
            zone.bits = Some(Bits { kept: used.clone(), used });
        }
        Ok(zone.bits.as_ref().expect("it was loaded"))
    }
}

/// The bits of a zone in the file, in which what is no node's block is not free.
fn read_bits(geometry: &Geometry, number: u64, zone: &Zone, blocks: u64, store: &Store) -> Result<Box<[u64]>> {
    let offset = geometry.bits(number, u64::from(zone.side == SIDE));
    let bytes = store.file.bytes(offset, geometry.zone_blocks as usize / 8);
    let is_trusted = deliberate::is_on("heap: bitmaps not checked");
    let sound = bytes.filter(|bytes| is_trusted || checksum(bytes, store.salt, offset) == zone.checksum);
    store.check()?;
    let damaged = |what| store.damaged(offset / geometry.node_size, what);
    let bytes = sound.ok_or_else(|| damaged("the bitmap of a zone is not what was written"))?;
    let bits: Box<[u64]> = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(array(word, 0))).collect();
    let free: u32 = bits.iter().map(|word| word.count_zeros()).sum();
    let end = blocks.saturating_sub(number * geometry.zone_blocks).min(geometry.zone_blocks);
    let mut outside = (0..geometry.first_block(number).min(geometry.zone_blocks)).chain(end..geometry.zone_blocks);
    let is_possible = free == zone.free && outside.all(|block| is_set(&bits, block));
    if is_possible || deliberate::is_on("heap: bitmaps believed in") {
        Ok(bits)
    } else {
        Err(damaged("the bitmap of a zone has other blocks free than there are"))
    }
}

/// The free blocks of every zone, as the file of so many blocks has them.
pub(super) fn free_blocks(geometry: &Geometry, table: &[u8], blocks: u64, store: &Store) -> Result<Vec<Box<[u64]>>> {
    let zones = table.chunks_exact(8).map(Zone::decode).enumerate();
    zones.map(|(number, zone)| read_bits(geometry, number as u64, &zone, blocks, store)).collect()
}

/// The table of zones of a checkpoint.
pub(super) fn read_table(store: &Store, epoch: u64, zones: u64, expected: u32) -> Result<Vec<u8>> {
    let offset = store.geometry.table(epoch % 2);
    let fits = zones <= store.geometry.most_zones();
    let table = store.file.bytes(offset, if fits { 8 * zones as usize } else { 0 }).filter(|_| fits);
    let is_trusted = deliberate::is_on("heap: table not checked");
    let sound = table.filter(|table| is_trusted || checksum(table, store.salt, offset) == expected);
    store.check()?;
    let damaged = || store.damaged(offset / store.geometry.node_size, "the table of zones is not what was written");
    sound.map(<[u8]>::to_vec).ok_or_else(damaged)
}

impl Zone {
    /// Of which no block can be used yet.
    fn new(blocks: u64) -> Self {
        let used = vec![u64::MAX; blocks as usize / 64].into_boxed_slice();
        let bits = Some(Bits { kept: used.clone(), used });
        Self { side: 0, checksum: 0, free: 0, waiting: 0, bits, hint: 0, is_changed: true }
    }

    fn decode(entry: &[u8]) -> Self {
        let free = u32_at(entry, 4);
        Self {
            side: free & SIDE,
            checksum: u32_at(entry, 0),
            free: free & !SIDE,
            waiting: 0,
            bits: None,
            hint: 0,
            is_changed: false,
        }
    }

    /// The table's entry: what only others see is free in it.
    fn encode(&self) -> [u8; 8] {
        let mut entry = [0; 8];
        entry[..4].copy_from_slice(&self.checksum.to_le_bytes());
        entry[4..].copy_from_slice(&((self.free + self.waiting) | self.side).to_le_bytes());
        entry
    }

    fn bits_mut(&mut self) -> &mut Bits {
        self.bits.as_mut().expect("a zone that changes is there")
    }

    /// The first of so many free blocks in a row.
    fn find(&mut self, count: u64) -> Option<u64> {
        let used = &self.bits.as_ref()?.used;
        let first = (self.hint..used.len()).find(|&word| used[word] != u64::MAX)?;
        self.hint = first;
        let (mut run, mut block) = (0, first as u64 * 64);
        while block < used.len() as u64 * 64 {
            let word = used[block as usize / 64];
            if block.is_multiple_of(64) && word == u64::MAX {
                (run, block) = (0, block + 64);
                continue;
            }
            run = if word & 1 << (block % 64) == 0 { run + 1 } else { 0 };
            block += 1;
            if run == count {
                return Some(block - count);
            }
        }
        None
    }

    /// Free blocks are in use.
    fn take(&mut self, first: u64, count: u64) {
        let bits = self.bits_mut();
        mark(&mut bits.used, first, count, true);
        mark(&mut bits.kept, first, count, true);
        self.free -= count as u32;
        self.is_changed = true;
    }

    /// Blocks can be used.
    fn free_up(&mut self, first: u64, count: u64) {
        mark(&mut self.bits_mut().used, first, count, false);
        self.free += count as u32;
        self.hint = self.hint.min(first as usize / 64);
    }
}

fn is_set(bits: &[u64], block: u64) -> bool {
    bits[block as usize / 64] & 1 << (block % 64) != 0
}

fn mark(bits: &mut [u64], first: u64, count: u64, is_used: bool) {
    for block in first..first + count {
        debug_assert!(is_set(bits, block) != is_used, "block {block} is {}", if is_used { "used" } else { "free" });
        let (word, bit) = (&mut bits[block as usize / 64], 1 << (block % 64));
        if is_used {
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }
}

const _: () = assert!(32768 / 8 <= PAGE);
