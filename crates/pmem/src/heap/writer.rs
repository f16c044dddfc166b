//! What one thread at a time has who changes a store: the tree that is being changed, the log's end, the free blocks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::format::{PAGE, Slot};
use super::log::{self, INCARNATION};
use super::space::{Generation, Space, Written};
use super::store::Store;
use super::tree::{Dirty, Extent, Run, Tree};
use super::{Inner, Version, locked};
use crate::os::{deliberate, errno};
use crate::storage::medium::Failed;
use crate::{Error, Result};

/// How many blocks only what removes something may use, so that a full store can be emptied.
pub(super) const RESERVE: u64 = 64;

/// With fewer blocks left than these, there is little room.
pub(super) const ROOMY: u64 = 2 * RESERVE;

/// How many blocks a file gets at least, when it gets more.
const GROWTH: u64 = 256;

/// How much of a checkpoint is written between syncs, in bytes: commits beside it wait for no more.
const PACE: usize = 4 << 20;

/// The state of a store, for who changes it.
pub(super) struct Writer {
    pub(super) tree: Tree,
    pub(super) sequence: u64,
    /// Where the log's next frame goes.
    pub(super) position: u64,
    pub(super) space: Space,
    /// The last checkpoint that is durable.
    pub(super) slot: Slot,
    pub(super) incarnation: u64,
    pub(super) generation: Arc<Generation>,
    frame: Vec<u8>,
    payload: Vec<u8>,
}

/// A checkpoint that is to be written.
pub(super) struct Checkpoint {
    dirty: Vec<Dirty>,
    written: Written,
    slot: Slot,
    root: Option<Arc<super::tree::Node>>,
}

impl Writer {
    pub(super) fn new(tree: Tree, space: Space, slot: Slot, end: (u64, u64), incarnation: u64) -> Self {
        let (position, sequence) = end;
        Self {
            tree,
            sequence,
            position,
            space,
            slot,
            incarnation,
            generation: Arc::default(),
            frame: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// What others see of the tree as it is.
    pub(super) fn version(&self) -> Arc<Version> {
        Arc::new(Version {
            root: self.tree.root.clone(),
            sequence: self.sequence,
            position: self.position,
            entries: self.tree.entries,
            generation: Arc::clone(&self.generation),
        })
    }

    /// Sees to it that what was changed can be written, and so many blocks more, the file's size permitting.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub(super) fn reserve(&mut self, store: &Store, most: Option<u64>, more: u64) -> Result<()> {
        let runs = self.tree.changes.unplaced();
        let mut places = Vec::new();
        let reserved = self.reserve_for(&runs, more, store, most, &mut places);
        if reserved.is_err() && !deliberate::is_on("heap: places of a failed commit kept") {
            self.space.give_back(places.into_iter().flatten());
            return reserved;
        }
        self.tree.changes.place(&runs, places);
        reserved
    }

    fn reserve_for(
        &mut self,
        runs: &[Arc<Run>],
        more: u64,
        store: &Store,
        most: Option<u64>,
        places: &mut Vec<Vec<Extent>>,
    ) -> Result<()> {
        for run in runs {
            places.push(allocate_all(&mut self.space, store, most, &run.needs(&store.geometry))?);
        }
        self.make_room_for(more, store, most)
    }

    /// Sees to it that so many more nodes can be changed. What cannot be written would be in the way of the checkpoint that makes
    /// room, also once it is taken back.
    ///
    /// # Errors
    /// `ENOSPC`.
    #[inline]
    pub(super) fn make_room_for(&mut self, nodes: u64, store: &Store, most: Option<u64>) -> Result<()> {
        let needed = self.tree.changes.dirty + nodes;
        match needed.checked_sub(self.space.free()) {
            None | Some(0) => Ok(()),
            Some(missing) => grow(&mut self.space, store, most, missing),
        }
    }

    /// Whether a checkpoint would make room that there is not.
    pub(super) fn is_tight(&self) -> bool {
        self.space.free() < self.tree.changes.dirty + ROOMY
            && self.space.waiting() + self.tree.changes.freed.len() as u64 > 0
    }

    /// The bytes of the log that the commits since the last checkpoint have.
    pub(super) fn log_used(&self) -> u64 {
        self.position - self.slot.position
    }

    /// Where the frame of a commit goes, and behind it. None where the log has no room before the next checkpoint.
    pub(super) fn place(&self, store: &Store, ops: usize) -> Option<(u64, u64)> {
        let (len, size) = (store.geometry.log_len, crate::storage::frames::size(INCARNATION + ops));
        let position = log::place(len, self.position, size);
        let has_room = position + size <= self.slot.position + len || deliberate::is_on("heap: log overwritten");
        has_room.then_some((position, position + size))
    }

    /// The frame of the next commit.
    pub(super) fn frame(&mut self, store: &Store, position: u64, ops: &[u8], is_anchored: bool) -> &[u8] {
        self.payload.clear();
        self.payload.extend_from_slice(&self.incarnation.to_le_bytes());
        self.payload.extend_from_slice(ops);
        log::encode(&mut self.frame, store.salt, position, &self.slot, self.sequence + 1, is_anchored, &self.payload);
        &self.frame
    }

    /// Begins a checkpoint of the tree as it is. Who sees a tree of before keeps its blocks.
    ///
    /// # Errors
    /// `ENOSPC`, and damage: nothing has changed.
    pub(super) fn begin_checkpoint(&mut self, store: &Store, most: Option<u64>) -> Result<Checkpoint> {
        self.reserve(store, most, 0)?;
        let dirty = self.tree.dirty();
        let nodes = || dirty.iter().filter(|dirty| dirty.is_node());
        let epoch = self.slot.epoch + 1;
        // First: a block that is given up is not taken for one that was free.
        self.space.wait(epoch, &self.generation, &mut self.tree.changes.freed, store)?;
        match self.allocate_nodes(nodes().count(), store) {
            Ok(blocks) => nodes().zip(blocks).for_each(|(node, (block, _))| node.assign(block)),
            Err(error) => {
                self.tree.changes.freed = self.space.take_back_last();
                return Err(error);
            }
        }
        self.generation = Arc::default();
        if deliberate::is_on("heap: blocks used early") {
            self.space.release(epoch);
        }
        self.tree.changes.dirty = 0;
        // A file of which it is not known what is used stays as long as it is.
        let _ = self.space.cut(GROWTH, store);
        let written = self.space.write(epoch, store);
        let slot = Slot {
            epoch,
            incarnation: self.incarnation,
            sequence: self.sequence,
            position: self.position,
            root: 0,
            blocks: self.space.blocks(),
            zones: written.zones,
            table: written.table,
            entries: self.tree.entries,
            ..Slot::default()
        };
        let (root, slot) = match &self.tree.root {
            super::tree::Root::Memory(root) => (Some(Arc::clone(root)), slot),
            super::tree::Root::File(root) => (None, Slot { root: *root, ..slot }),
            super::tree::Root::None => (None, slot),
        };
        Ok(Checkpoint { dirty, written, slot, root })
    }

    /// Blocks for so many nodes.
    fn allocate_nodes(&mut self, count: usize, store: &Store) -> Result<Vec<Extent>> {
        let mut blocks = Vec::with_capacity(count);
        for _ in 0..count {
            let found = self.space.allocate(1, store).and_then(|found| found.ok_or_else(|| full(store)));
            match found {
                Ok(block) => blocks.push(block),
                Err(error) => {
                    self.space.give_back(blocks);
                    return Err(error);
                }
            }
        }
        Ok(blocks)
    }

    /// A checkpoint is durable. What it does not need of the file's end is given back.
    pub(super) fn finish_checkpoint(&mut self, slot: Slot, store: &Store) {
        // Of a file that cannot be cut the end is used later.
        if self.space.blocks() == slot.blocks {
            let _ = store.file.shrink(slot.blocks * store.geometry.node_size);
        }
        self.slot = slot;
        self.tree.settle();
        self.space.release(slot.epoch);
    }
}

impl Checkpoint {
    /// Writes it: all that is new of the tree and the bitmaps, durably, and then the slot that leads to it.
    pub(super) fn run(self, store: &Store) -> std::result::Result<Slot, Failed> {
        let Self { dirty, written, mut slot, root } = self;
        let mut unsynced = 0;
        for part in &dirty {
            let write = |block: u64, bytes: &[u8]| {
                unsynced += bytes.len();
                store.write(block, bytes)
            };
            part.write(store, slot.epoch, write).map_err(Failed::Write)?;
            if unsynced >= PACE {
                store.file.sync(&[])?;
                unsynced = 0;
            }
        }
        if let Some(root) = root {
            slot.root = root.reference();
        }
        if deliberate::is_on("heap: slot before nodes") {
            Self::write_slot(store, &slot)?;
        }
        for (offset, bytes) in &written.writes {
            store.file.write(*offset, bytes).map_err(Failed::Write)?;
        }
        if !deliberate::is_on("heap: nodes not flushed") {
            store.file.sync(&[])?;
        }
        Self::write_slot(store, &slot)?;
        Ok(slot)
    }

    fn write_slot(store: &Store, slot: &Slot) -> std::result::Result<(), Failed> {
        let page = slot.encode(store.salt);
        debug_assert_eq!(page.len() as u64, PAGE);
        let copies = if deliberate::is_on("heap: slot without its copy") { 1 } else { 2 };
        for offset in Slot::places(slot.epoch).into_iter().take(copies) {
            store.file.write(offset, &page).map_err(Failed::Write)?;
        }
        if deliberate::is_on("heap: slot not flushed") { Ok(()) } else { store.file.sync(&[]) }
    }
}

/// Places for the parts of a run.
fn allocate_all(space: &mut Space, store: &Store, most: Option<u64>, needs: &[u64]) -> Result<Vec<Extent>> {
    let mut found = Vec::new();
    for &count in needs {
        let extent = match space.allocate(count, store)? {
            Some(extent) => Ok(extent),
            // What is free may lie apart.
            None => {
                grow(space, store, most, count).and_then(|()| space.allocate(count, store)?.ok_or_else(|| full(store)))
            }
        };
        match extent {
            Ok(extent) => found.push(extent),
            Err(error) => {
                space.give_back(found);
                return Err(error);
            }
        }
    }
    Ok(found)
}

/// Makes the file longer, by so many blocks that can be used, and more.
fn grow(space: &mut Space, store: &Store, most: Option<u64>, needed: u64) -> Result<()> {
    let geometry = &store.geometry;
    let before = space.blocks();
    let mut blocks = before + needed.max(GROWTH).max((before / 16).min(GROWTH * 32));
    // What stands at the start of a zone is no use.
    while usable(geometry, before, blocks) < needed {
        blocks += 2 * PAGE.div_ceil(geometry.node_size);
    }
    let limit = most.unwrap_or(u64::MAX).min(geometry.most_zones() * geometry.zone_len()) / geometry.node_size;
    let blocks = blocks.min(limit);
    if blocks <= before || usable(geometry, before, blocks) < needed {
        return Err(full(store));
    }
    let len = blocks * geometry.node_size;
    if store.file.len() < len {
        store.file.grow(len).map_err(|error| Error::io(&error, "write", Some(&store.path)))?;
    }
    space.grow(blocks, store)
}

/// How many blocks there are from `from` to `to` that are no bitmaps'.
fn usable(geometry: &super::format::Geometry, from: u64, to: u64) -> u64 {
    let begins = |zone: &u64| *zone * geometry.zone_blocks >= from;
    let zones = from / geometry.zone_blocks..to.div_ceil(geometry.zone_blocks);
    let unusable = |zone: u64| geometry.first_block(zone).min(to - zone * geometry.zone_blocks);
    (to - from).saturating_sub(zones.filter(begins).map(unusable).sum())
}

/// That there is no room.
pub(super) fn full(store: &Store) -> Error {
    let error = Error::os(errno::ENOSPC, "commit", Some(&store.path));
    error.with_hint("nothing was changed; removing entries makes room, and closing snapshots")
}

impl Inner {
    /// Notes that it is unknown what is durable: nothing is changed any more.
    pub(super) fn latch(&self, failed: Failed) -> Error {
        let errno = errno::of(&failed.into_error());
        let error = match self.store.check() {
            Err(fault) => fault,
            Ok(()) => Error::Uncertain { errno, syscall: "fdatasync", path: self.store.path.clone() },
        };
        self.set_latch(&error);
        error
    }

    /// That nothing failed in such a way.
    pub(super) fn check_latch(&self) -> Result<()> {
        self.latch.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Makes all commits durable. What is seen, or is to be, was written before, so that a version's own end of the log says how
    /// much there is to be synced for it.
    pub(super) fn flush(&self) -> Result<()> {
        let Some(wanted) = self.latest() else { return Ok(()) };
        // After that: what is seen may be older since a flush failed.
        self.check_latch()?;
        if self.is_durable(&wanted) {
            return Ok(());
        }
        let _turn = (!deliberate::is_on("heap: flushes not shared")).then(|| locked(&self.flushing));
        if self.is_durable(&wanted) && !deliberate::is_on("heap: flushes not shared") {
            return Ok(());
        }
        let version = self.latest().unwrap_or(wanted);
        self.check_latch()?;
        let durable = self.durable.load(Ordering::Acquire);
        let synced = if deliberate::is_on("heap: log not synced") {
            Ok(())
        } else {
            self.store.file.sync(&log_ranges(&self.store, durable, version.position))
        };
        synced.map_err(|failed| self.latch(failed))?;
        let is_later = deliberate::is_on("heap: flushed what came later");
        self.note_durable(self.latest().filter(|_| is_later).unwrap_or(version));
        Ok(())
    }

    pub(super) fn is_durable(&self, version: &Version) -> bool {
        version.position <= self.durable.load(Ordering::Acquire)
    }
}

/// Where the bytes between two positions of the log are in the file.
pub(super) fn log_ranges(store: &Store, from: u64, to: u64) -> Vec<(u64, u64)> {
    let len = store.geometry.log_len;
    let mut ranges = Vec::new();
    let mut position = from;
    while position < to {
        let count = (len - position % len).min(to - position);
        ranges.push((log::offset(store, position), count));
        position += count;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::format::Geometry;

    #[test]
    fn what_zones_begin_with_is_not_usable() {
        let geometry = Geometry { node_size: 512, zone_blocks: 512, table_len: 4096, log_len: 16 << 10 };
        // What a zone begins with where the file did not reach into it before.
        let is_usable = |from: u64, block: &u64| {
            let zone = block / 512;
            zone * 512 < from || block % 512 >= geometry.first_block(zone)
        };
        for from in [0, 1, 200, 511, 512, 513, 1000, 1024, 1030] {
            for to in (from..from + 1100).step_by(13) {
                let expected = (from..to).filter(|block| is_usable(from, block)).count() as u64;
                assert_eq!(usable(&geometry, from, to), expected, "{from} to {to}");
            }
        }
    }
}
