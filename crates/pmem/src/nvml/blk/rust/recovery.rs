//! Setting right what a crash or damage left behind, at the first change after opening.

use std::io;

use super::arena::Arena;
use super::{commit, halves};
use crate::nvml::format::PAGE;
use crate::nvml::format::btt::{self, Infos, LANES, MapEntry, Pool};
use crate::os::deliberate;
use crate::storage::medium::Medium;

/// Sets right what is left behind in `pool`, durably: damaged info blocks, then flogs, then maps. It can stop anywhere
/// and start again.
///
/// After a failed sync the page cache has what the disk lacks, and takes it for written. So what a later step relies on
/// is stored again where that may have happened, even if it looks right.
///
/// # Errors
/// A failed sync.
pub(super) fn recover<M: Medium>(medium: &M, pool: &Pool, arenas: &[Arena]) -> io::Result<()> {
    for (found, arena) in pool.arenas.iter().zip(arenas) {
        restore_info(medium, found)?;
        if !deliberate::is_on("blk: found flog trusted") {
            confirm_flog(medium, found)?;
        }
        if !deliberate::is_on("blk: map not completed") {
            complete_map(medium, found, arena)?;
        }
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
            if !deliberate::is_on("blk: found info trusted") {
                copy_info(medium, first, first)?;
            }
            copy_info(medium, first, copy)
        }
    }
}

fn copy_info<M: Medium>(medium: &M, from: u64, to: u64) -> io::Result<()> {
    let mut info = [0; PAGE as usize];
    medium.load(from, &mut info);
    commit(medium, &[(to, &info)])
}

/// Stores the lanes' current entries as they are: a map entry must not be durable before the flog entry that tells of
/// it.
fn confirm_flog<M: Medium>(medium: &M, found: &btt::Arena) -> io::Result<()> {
    for (number, lane) in (0..LANES).zip(&found.lanes).filter(|(_, lane)| lane.has_written()) {
        let [recorded, activating] = halves(&lane.current().encode());
        let at = found.extent.flog_pair(number) + (16 - lane.next_at());
        medium.write(at, &recorded)?;
        medium.write(at + 8, &activating)?;
    }
    commit(medium, &[])
}

/// Completes the lanes' last writes, and stores the map entries of those that were complete as they are: a lane's next
/// write takes the flog entry that would repair them.
fn complete_map<M: Medium>(medium: &M, found: &btt::Arena, arena: &Arena) -> io::Result<()> {
    for lane in found.lanes.iter().filter(|lane| lane.has_written()) {
        let block = lane.current().block;
        let at = found.extent.map_entry(block);
        let entry = arena.recovered(block).map_or_else(|| medium.load_word(at), MapEntry::encode);
        medium.write_word(at, entry)?;
    }
    commit(medium, &[])
}
