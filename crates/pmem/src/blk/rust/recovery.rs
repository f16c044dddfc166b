//! What a crash or damage left behind: found when a pool is opened, set right at its first change.

use std::io;

use super::arena::Arena;
use super::halves;
use crate::format::PAGE;
use crate::format::btt::{self, Extent, Infos, LANES, Lane, MapEntry, Pool};
use crate::medium::Medium;

/// The map entries of writes that did not reach the map, by block.
pub(super) struct Recovered(Vec<(u32, MapEntry)>);

impl Recovered {
    /// Looks at the block that each lane of `arena` wrote last.
    pub(super) fn new<M: Medium>(medium: &M, arena: &btt::Arena) -> Self {
        let mut recovered = Self(Vec::new());
        for lane in arena.lanes.iter().filter(|lane| has_written(lane)) {
            recovered.complete(medium, &arena.extent, lane);
        }
        recovered
    }

    fn complete<M: Medium>(&mut self, medium: &M, extent: &Extent, lane: &Lane) {
        let block = lane.current().block;
        let stored = || MapEntry::decode(medium.load_u32(extent.map_entry(block)), block, &extent.geometry);
        // An entry that is damaged is told of when its block is used.
        let Some(entry) = self.get(block).or_else(stored).and_then(|found| lane.recover(found)) else { return };
        self.0.retain(|(other, _)| *other != block);
        self.0.push((block, entry));
    }

    /// The map entry of `block`, if its last write was completed.
    pub(super) fn get(&self, block: u32) -> Option<MapEntry> {
        self.0.iter().find(|(other, _)| *other == block).map(|(_, entry)| *entry)
    }

    /// All of them.
    pub(super) fn entries(&self) -> &[(u32, MapEntry)] {
        &self.0
    }
}

/// Sets right what is left behind in `pool`, durably: damaged info blocks, then flogs, then maps. It can stop anywhere
/// and start again.
///
/// After a failed msync the page cache has what the disk lacks, and takes it for written. So what a later step relies on
/// is stored again where that may have happened, even if it looks right.
///
/// # Errors
/// A failed sync.
pub(super) fn recover<M: Medium>(medium: &M, pool: &Pool, arenas: &[Arena]) -> io::Result<()> {
    for (found, arena) in pool.arenas.iter().zip(arenas) {
        restore_info(medium, found)?;
        confirm_flog(medium, found)?;
        complete_map(medium, found, arena)?;
    }
    Ok(())
}

/// Writes a missing or damaged info block anew, from the other one.
fn restore_info<M: Medium>(medium: &M, found: &btt::Arena) -> io::Result<()> {
    let (first, copy) = (found.extent.start, found.extent.info_copy());
    match &found.infos {
        Infos::Intact => Ok(()),
        Infos::FirstDamaged(_) => copy_info(medium, copy, first),
        Infos::CopyDamaged(_) => copy_info(medium, first, copy),
        Infos::CopyMissing => {
            // Making the first one durable may be what failed.
            copy_info(medium, first, first)?;
            copy_info(medium, first, copy)
        }
    }
}

fn copy_info<M: Medium>(medium: &M, from: u64, to: u64) -> io::Result<()> {
    let mut info = [0; PAGE as usize];
    medium.load(from, &mut info);
    medium.store(to, &info);
    medium.sync(to, PAGE)
}

/// Stores the lanes' current entries as they are: a map entry must not be durable before the flog entry that tells of
/// it.
fn confirm_flog<M: Medium>(medium: &M, found: &btt::Arena) -> io::Result<()> {
    for (number, lane) in (0..LANES).zip(&found.lanes).filter(|(_, lane)| has_written(lane)) {
        let [recorded, activating] = halves(&lane.current().encode());
        let at = found.extent.flog_pair(number) + (16 - lane.next_at());
        medium.store_u64(at, recorded);
        medium.store_u64(at + 8, activating);
    }
    medium.sync(found.extent.flog(), found.extent.info_copy() - found.extent.flog())
}

/// Completes the lanes' last writes, and stores the map entries of those that were complete as they are: a lane's next
/// write takes the flog entry that would repair them.
fn complete_map<M: Medium>(medium: &M, found: &btt::Arena, arena: &Arena) -> io::Result<()> {
    for lane in found.lanes.iter().filter(|lane| has_written(lane)) {
        let block = lane.current().block;
        let at = found.extent.map_entry(block);
        let entry = arena.recovered(block).map_or_else(|| medium.load_u32(at), MapEntry::encode);
        medium.store_u32(at, entry);
    }
    let map = found.extent.map();
    medium.sync(map.start, map.end - map.start)
}

fn has_written(lane: &Lane) -> bool {
    lane.current().old != lane.current().new
}
