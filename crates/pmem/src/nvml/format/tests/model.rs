//! A block pool in memory, and the steps of a write to it.

use super::identity;
use crate::nvml::format::btt::{self, Entry, Extent, MapEntry, Pool, State};
use crate::nvml::format::bytes::u32_at;
use crate::nvml::format::header::{self, Kind, Machine};
use crate::nvml::format::{Uuid, btt::Layout};

/// The smallest block pool.
pub(in crate::nvml::format) const SIZE: u64 = (16 << 20) + 8192;

/// How many stores a write consists of.
pub(in crate::nvml::format) const STEPS: usize = 4;

/// The bytes of a pool, with what it takes to write to them.
#[derive(Clone)]
pub(in crate::nvml::format) struct Model {
    pub bytes: Vec<u8>,
}

impl Model {
    /// A pool of the smallest size that is not laid out, filled with `background` from the first arena on.
    pub(in crate::nvml::format) fn blank(block_size: u32, background: u8) -> Self {
        let mut bytes = vec![background; SIZE as usize];
        bytes[..header::SIZE].copy_from_slice(&header::make(Kind::Blk, &identity(), 1, Machine::HOST));
        bytes[header::SIZE..][..4096].copy_from_slice(&btt::make_descriptor(block_size, background == 0));
        Self { bytes }
    }

    /// The same pool, laid out up to a number of `stores`: the map, the flog, the info block, its copy.
    pub(in crate::nvml::format) fn laid_out(block_size: u32, background: u8, stores: usize) -> Self {
        let mut model = Self::blank(block_size, background);
        let layout = Layout::new(SIZE, block_size).unwrap();
        let parts = parts(&layout.arena(0));
        for (offset, bytes) in parts.iter().take(stores) {
            model.put(*offset, bytes);
        }
        model
    }

    /// A pool that is laid out.
    pub(in crate::nvml::format) fn new(block_size: u32) -> Self {
        Self::laid_out(block_size, 0, 4)
    }

    /// Validates the pool.
    pub(in crate::nvml::format) fn pool(&self) -> Pool {
        btt::read(&self.bytes[..]).unwrap()
    }

    pub(in crate::nvml::format) fn extent(&self) -> Extent {
        let block_size = u32_at(&self.bytes, 4096);
        Layout::new(SIZE, block_size).unwrap().arena(0)
    }

    pub(in crate::nvml::format) fn put(&mut self, offset: u64, bytes: &[u8]) {
        self.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    pub(in crate::nvml::format) fn put_u32(&mut self, offset: u64, value: u32) {
        self.put(offset, &value.to_le_bytes());
    }

    /// The map entry of `block` as opening the pool leaves it.
    pub(in crate::nvml::format) fn entry(&self, pool: &Pool, block: u32) -> Option<MapEntry> {
        let arena = &pool.arenas[0];
        let raw = u32_at(&self.bytes, arena.extent.map_entry(block) as usize);
        let entry = MapEntry::decode(raw, block, &arena.extent.geometry)?;
        let lanes = arena.lanes.iter().filter(|lane| lane.current().block == block);
        Some(lanes.fold(entry, |entry, lane| lane.recover(entry).unwrap_or(entry)))
    }

    /// Fills `block` with `value` through `lane`, and stops after a number of `steps`.
    pub(in crate::nvml::format) fn write(&mut self, lane: usize, block: u32, value: u8, steps: usize) {
        let pool = self.pool();
        let arena = &pool.arenas[0];
        let entry: Entry = arena.lanes[lane].next(block, self.entry(&pool, block).unwrap());
        let flog = arena.extent.flog_pair(lane as u32) + arena.lanes[lane].next_at();
        let data = vec![value; pool.block_size as usize];
        let stores = [
            (arena.extent.slot(entry.new.slot), &data[..]),
            (flog, &entry.encode()[..8]),
            (flog + 8, &entry.encode()[8..]),
            (arena.extent.map_entry(block), &entry.new.encode().to_le_bytes()[..]),
        ];
        for (offset, bytes) in stores.into_iter().take(steps) {
            self.put(offset, bytes);
        }
    }

    /// The first byte of `block`.
    pub(in crate::nvml::format) fn read(&self, block: u32) -> u8 {
        self.read_in(&self.pool(), block)
    }

    /// The first byte of `block`, where `pool` is what [`Model::pool`] returns now.
    pub(in crate::nvml::format) fn read_in(&self, pool: &Pool, block: u32) -> u8 {
        let entry = self.entry(pool, block).unwrap();
        match entry.state {
            State::Initial | State::Zero => 0,
            State::Error => panic!("block {block} is in error"),
            State::Normal => self.bytes[pool.arenas[0].extent.slot(entry.slot) as usize],
        }
    }
}

/// What laying out an arena stores, in order.
pub(in crate::nvml::format) fn parts(extent: &Extent) -> [(u64, Vec<u8>); 4] {
    let map = extent.map();
    let info = btt::make_info(extent, &Uuid([0x33; 16]), &identity().poolset).to_vec();
    [
        (map.start, vec![0; (map.end - map.start) as usize]),
        (extent.flog(), btt::make_flog(&extent.geometry)),
        (extent.start, info.clone()),
        (extent.info_copy(), info),
    ]
}
