//! What a crash left behind, as it is found when a pool is opened.

use crate::nvml::format::btt::{self, Extent, Lane, MapEntry};
use crate::storage::medium::Medium;

/// The map entries of writes that did not reach the map, by block.
pub(super) struct Recovered(Vec<(u32, MapEntry)>);

impl Recovered {
    /// Looks at the block that each lane of `arena` wrote last.
    pub(super) fn new<M: Medium>(medium: &M, arena: &btt::Arena) -> Self {
        let mut recovered = Self(Vec::new());
        for lane in arena.lanes.iter().filter(|lane| lane.has_written()) {
            recovered.complete(medium, &arena.extent, lane);
        }
        recovered
    }

    fn complete<M: Medium>(&mut self, medium: &M, extent: &Extent, lane: &Lane) {
        let block = lane.current().block;
        let stored = || MapEntry::decode(medium.load_word(extent.map_entry(block)), block, &extent.geometry);
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
