//! That a store is what it should be.

use std::collections::HashSet;

use super::format::Slot;
use super::space;
use super::store::Store;
use super::tree::{Root, walk};
use crate::Result;

/// What [`Heap::verify`](super::Heap::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many nodes and runs the last checkpoint has, how many entries, and how many levels its tree.
    pub nodes: u64,
    /// How many runs.
    pub runs: u64,
    /// How many entries.
    pub entries: u64,
    /// How many levels its tree has.
    pub depth: u64,
    /// How many of the blocks are free.
    pub free: u64,
    /// What is wrong, if anything is.
    pub damage: Vec<String>,
}

/// Looks at all that a checkpoint has, and at the order of what is in memory.
pub(super) fn verify(store: &Store, slot: &Slot, current: &Root) -> Result<Report> {
    let mut report = Report::default();
    let mut used = vec![0u64; slot.blocks.div_ceil(64) as usize];
    let root = if slot.root == 0 { Root::None } else { Root::File(slot.root) };
    let mut damage = Vec::new();
    walk(store, &root, &mut report, &mut damage, &mut |block, count| {
        for block in block..block + count {
            let Some(word) = used.get_mut(block as usize / 64) else { return false };
            if *word & 1 << (block % 64) != 0 {
                return false;
            }
            *word |= 1 << (block % 64);
        }
        true
    });
    if report.entries != slot.entries {
        damage.push(format!("there are {} entries, not {}", report.entries, slot.entries));
    }
    let size = store.geometry.zone_blocks;
    let table = space::read_table(store, slot.epoch, slot.zones, slot.table)?;
    for (zone, bits) in space::free_blocks(&store.geometry, &table, slot.blocks, store)?.iter().enumerate() {
        let zone = zone as u64;
        let first = zone * size + store.geometry.first_block(zone);
        for block in first..((zone + 1) * size).min(slot.blocks) {
            let is_used = bits[(block % size) as usize / 64] & 1 << (block % 64) != 0;
            let is_reached = used[block as usize / 64] & 1 << (block % 64) != 0;
            report.free += u64::from(!is_used);
            if is_used != is_reached {
                let what = if is_used { "is not free, and nothing leads to it" } else { "is free, and in use" };
                damage.push(format!("the block {block} {what}"));
            }
        }
    }
    let mut reached = HashSet::new();
    walk(store, current, &mut Report::default(), &mut damage, &mut |block, _| reached.insert(block));
    report.damage = damage;
    Ok(report)
}
