//! Laying a pool out, which its first change does.
//!
//! It can stop anywhere: the pool then reads as one that is not laid out, or as one that is, and no block was written in
//! either. Arena after arena is made, and in each the info block comes when all that it speaks for is durable.

use std::io;

use super::commit;
use crate::nvml::format::btt::{self, Extent, Pool, make_flog, make_info};
use crate::nvml::format::{Invalid, PAGE, Source, Uuid};
use crate::os::deliberate;
use crate::storage::medium::Medium;

/// Lays `pool` out durably, and returns what it is then.
///
/// # Errors
/// A failed sync; no random bytes for a name.
pub(super) fn lay_out<M: Medium>(medium: &M, pool: &Pool) -> Result<Pool, Invalid> {
    write(medium, pool).map_err(Invalid::Io)?;
    btt::read(&Bytes(medium))
}

fn write<M: Medium>(medium: &M, pool: &Pool) -> io::Result<()> {
    let uuid = Uuid::random()?;
    for extent in pool.layout.iter() {
        if !deliberate::is_on("blk: old info copy left there") {
            clear_copy(medium, &extent)?;
        }
        if !pool.is_zeroed {
            clear_map(medium, &extent)?;
        }
        let info = make_info(&extent, &uuid, &pool.header.identity.poolset);
        if deliberate::is_on("blk: info before the flog") {
            commit(medium, &[(extent.start, &info)])?;
        }
        commit(medium, &[(extent.flog(), &make_flog(&extent.geometry))])?;
        commit(medium, &[(extent.start, &info)])?;
        commit(medium, &[(extent.info_copy(), &info)])?;
    }
    Ok(())
}

/// Clears the copy of the info block, if there is one of a layout that was interrupted at a later arena, or anything else:
/// where the first one is missing it means that blocks were written.
fn clear_copy<M: Medium>(medium: &M, extent: &Extent) -> io::Result<()> {
    let mut copy = [0; PAGE as usize];
    medium.load(extent.info_copy(), &mut copy);
    if copy.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    commit(medium, &[(extent.info_copy(), &[0; PAGE as usize])])
}

/// Makes all blocks of an arena read as zeros.
fn clear_map<M: Medium>(medium: &M, extent: &Extent) -> io::Result<()> {
    let map = extent.map();
    medium.write_zeros(map.start, map.end - map.start)?;
    commit(medium, &[])
}

/// A medium as what formats are read from.
struct Bytes<'a, M>(&'a M);

impl<M: Medium> Source for Bytes<'_, M> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len())
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(target.len() as u64).filter(|end| *end <= self.0.len());
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0.load(offset, target);
        Ok(())
    }
}
