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
    /// The blocks that cannot be used, in words of 64.
    used: Option<Box<[u64]>>,
    /// No word before this one has a free block.
    hint: usize,
    /// What a checkpoint has to write.
    is_changed: bool,
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
            self.bits(zone as usize, store)?;
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
            self.bits(zone, store)?;
            let entry = &mut self.zones[zone];
            if let Some(first) = entry.find(count) {
                entry.mark(first, count, true);
                entry.is_changed = true;
                entry.free -= count as u32;
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
        let (zone, first) = (block / self.geometry.zone_blocks, block % self.geometry.zone_blocks);
        let zone = &mut self.zones[zone as usize];
        zone.mark(first, count, false);
        zone.free += count as u32;
        zone.is_changed = true;
        self.free += count;
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
            self.bits(zone as usize, store)?;
            let entry = &mut self.zones[zone as usize];
            entry.mark(start - zone * size, count, true);
            entry.free -= count as u32;
            entry.is_changed = true;
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
            let bits = self.bits(zone as usize, store)?;
            let is_used = |block: &u64| bits[*block as usize / 64] & 1 << (block % 64) != 0;
            if let Some(last) = (first..here).rev().find(is_used) {
                return Ok(zone * size + last + 1);
            }
            if zone == 0 {
                return Ok(first);
            }
        }
        Ok(0)
    }

    /// Notes what was given up before the checkpoint of this epoch, by trees that whoever has `generation` may see.
    pub(super) fn wait(
        &mut self,
        epoch: u64,
        generation: &Arc<Generation>,
        extents: Vec<Extent>,
        store: &Store,
    ) -> Result<()> {
        for &(block, count) in &extents {
            let zone = (block / self.geometry.zone_blocks) as usize;
            if zone >= self.zones.len() || block + count > self.blocks {
                return Err(store.damaged(block, "what was in use lies outside the file"));
            }
            self.bits(zone, store)?;
            self.zones[zone].is_changed = true;
        }
        self.waiting_blocks += extents.iter().map(|(_, count)| count).sum::<u64>();
        self.waiting.push_back(Waiting { epoch, generation: Arc::downgrade(generation), extents });
        Ok(())
    }

    /// The checkpoint of this epoch is durable: what was given up before it can be used, once nobody sees it.
    pub(super) fn release(&mut self, epoch: u64) {
        while let Some(first) = self.waiting.front() {
            let is_seen = first.generation.strong_count() > 0 && !deliberate::is_on("heap: snapshots do not pin");
            if first.epoch > epoch || is_seen {
                return;
            }
            let Some(Waiting { extents, .. }) = self.waiting.pop_front() else { return };
            self.waiting_blocks -= extents.iter().map(|(_, count)| count).sum::<u64>();
            self.give_back(extents);
        }
    }

    /// What the checkpoint of this epoch writes: what only others see is free in it.
    pub(super) fn write(&mut self, epoch: u64, store: &Store) -> Written {
        let (mut writes, size) = (Vec::new(), self.geometry.zone_blocks);
        let mut waiting = vec![Vec::new(); self.zones.len()];
        for &(block, count) in self.waiting.iter().flat_map(|waiting| &waiting.extents) {
            waiting[(block / size) as usize].push((block % size, count));
        }
        let mut table = Vec::new();
        for ((number, zone), waiting) in self.zones.iter_mut().enumerate().zip(waiting) {
            if zone.is_changed {
                let mut bits = zone.used.clone().expect("a zone that changed is there");
                waiting.iter().for_each(|&(first, count)| mark(&mut bits, first, count, false));
                let bytes: Vec<u8> = bits.iter().flat_map(|word| word.to_le_bytes()).collect();
                zone.side ^= SIDE;
                let offset = self.geometry.bits(number as u64, u64::from(zone.side == SIDE));
                zone.checksum = checksum(&bytes, store.salt, offset);
                zone.is_changed = false;
                writes.push((offset, bytes));
            }
            let free = waiting.iter().map(|(_, count)| *count as u32).sum::<u32>();
            table.extend_from_slice(&zone.encode(zone.free + free));
        }
        let offset = self.geometry.table(epoch % 2);
        let table_checksum = checksum(&table, store.salt, offset);
        writes.push((offset, table));
        Written { writes, zones: self.zones.len() as u64, table: table_checksum }
    }

    /// The bits of a zone, which are loaded by then.
    fn bits(&mut self, number: usize, store: &Store) -> Result<&[u64]> {
        let zone = &mut self.zones[number];
        if zone.used.is_none() {
            zone.used = Some(read_bits(&self.geometry, number as u64, zone.side, zone.checksum, store)?);
        }
        Ok(zone.used.as_deref().expect("it was loaded"))
    }
}

/// The bits of a zone in the file.
fn read_bits(geometry: &Geometry, number: u64, side: u32, expected: u32, store: &Store) -> Result<Box<[u64]>> {
    let offset = geometry.bits(number, u64::from(side == SIDE));
    let bytes = store.file.bytes(offset, geometry.zone_blocks as usize / 8);
    let sound = bytes.filter(|bytes| checksum(bytes, store.salt, offset) == expected);
    store.check()?;
    let block = offset / geometry.node_size;
    let bytes = sound.ok_or_else(|| store.damaged(block, "the bitmap of a zone is not what was written"))?;
    Ok(bytes.chunks_exact(8).map(|word| u64::from_le_bytes(array(word, 0))).collect())
}

/// The free blocks of every zone, as the file has them.
pub(super) fn free_blocks(geometry: &Geometry, table: &[u8], store: &Store) -> Result<Vec<Box<[u64]>>> {
    let zones = table.chunks_exact(8).map(Zone::decode).enumerate();
    zones.map(|(number, zone)| read_bits(geometry, number as u64, zone.side, zone.checksum, store)).collect()
}

/// The table of zones of a checkpoint.
pub(super) fn read_table(store: &Store, epoch: u64, zones: u64, expected: u32) -> Result<Vec<u8>> {
    let offset = store.geometry.table(epoch % 2);
    let fits = zones <= store.geometry.most_zones();
    let table = store.file.bytes(offset, if fits { 8 * zones as usize } else { 0 }).filter(|_| fits);
    let sound = table.filter(|table| checksum(table, store.salt, offset) == expected);
    store.check()?;
    let damaged = || store.damaged(offset / store.geometry.node_size, "the table of zones is not what was written");
    sound.map(<[u8]>::to_vec).ok_or_else(damaged)
}

impl Zone {
    /// Of which no block can be used yet.
    fn new(blocks: u64) -> Self {
        let used = vec![u64::MAX; blocks as usize / 64].into_boxed_slice();
        Self { side: 0, checksum: 0, free: 0, used: Some(used), hint: 0, is_changed: true }
    }

    fn decode(entry: &[u8]) -> Self {
        let free = u32_at(entry, 4);
        Self {
            side: free & SIDE,
            checksum: u32_at(entry, 0),
            free: free & !SIDE,
            used: None,
            hint: 0,
            is_changed: false,
        }
    }

    fn encode(&self, free: u32) -> [u8; 8] {
        let mut entry = [0; 8];
        entry[..4].copy_from_slice(&self.checksum.to_le_bytes());
        entry[4..].copy_from_slice(&(free | self.side).to_le_bytes());
        entry
    }

    /// The first of so many free blocks in a row.
    fn find(&mut self, count: u64) -> Option<u64> {
        let used = self.used.as_deref()?;
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

    fn mark(&mut self, first: u64, count: u64, is_used: bool) {
        let used = self.used.as_deref_mut().expect("a zone that changes is there");
        mark(used, first, count, is_used);
        if !is_used {
            self.hint = self.hint.min(first as usize / 64);
        }
    }
}

fn mark(bits: &mut [u64], first: u64, count: u64, is_used: bool) {
    for block in first..first + count {
        let (word, bit) = (&mut bits[block as usize / 64], 1 << (block % 64));
        debug_assert!((*word & bit != 0) != is_used, "block {block} is {}", if is_used { "used" } else { "free" });
        if is_used {
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }
}

const _: () = assert!(32768 / 8 <= PAGE);
