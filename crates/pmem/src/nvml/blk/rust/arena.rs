//! An arena in use.

use super::lanes::Lanes;
use super::recovered::Recovered;
use super::stripes::Stripes;
use crate::nvml::format::Damage;
use crate::nvml::format::btt::{self, Extent, MapEntry};
use crate::storage::medium::Medium;

/// What is kept in memory of an arena.
pub(super) struct Arena {
    /// Where everything lies.
    pub(super) extent: Extent,
    /// The lanes that writes go through.
    pub(super) lanes: Lanes,
    /// Held by whoever changes a map entry.
    pub(super) stripes: Stripes,
    recovered: Recovered,
    index: u32,
}

impl Arena {
    /// The pool's arena with number `index`.
    pub(super) fn new<M: Medium>(medium: &M, index: u32, arena: &btt::Arena) -> Self {
        let recovered = Recovered::new(medium, arena);
        let lanes = Lanes::new(&arena.lanes, medium.is_concurrent());
        Self { extent: arena.extent, lanes, stripes: Stripes::new(), recovered, index }
    }

    /// Whether opening completed writes that the map does not show yet.
    pub(super) fn is_unrecovered(&self) -> bool {
        !self.recovered.entries().is_empty()
    }

    /// The map entry of `block` if opening completed a write to it.
    pub(super) fn recovered(&self, block: u32) -> Option<MapEntry> {
        self.recovered.get(block)
    }

    /// The map entry of `block` in the medium.
    pub(super) fn stored_entry<M: Medium>(&self, medium: &M, block: u32) -> Result<MapEntry, Damage> {
        self.extent.decode_entry(block, medium.load_word(self.extent.map_entry(block)))
    }

    /// Refuses a map entry of `block` that claims `free`, the slot that a lane is about to write to.
    pub(super) fn check_owner(&self, block: u32, entry: MapEntry, free: u32) -> Result<(), Damage> {
        if entry.slot != free {
            return Ok(());
        }
        let detail = format!("slot {free} belongs to a lane");
        Err(Damage::new("BTT map entry", self.extent.map_entry(block), detail))
    }

    /// A number for `slot` that no slot of another arena has; never 0.
    pub(super) fn tag(&self, slot: u32) -> u64 {
        (u64::from(self.index) + 1) << 32 | u64::from(slot)
    }
}
