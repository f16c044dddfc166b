//! A block pool: the descriptor at 4096, and from 8192 on arenas that each translate block numbers to slots.
//!
//! An arena is an info block, the data, the map, the flog and a copy of the info block, in this order. The map says
//! for each block which slot of the data holds it. The flog has a lane for each write that can be under way at once:
//! a lane owns a free slot, and says which map entry its last write changed and how. Nothing of this is in the file
//! until the first write, which lays out every arena.

mod arena;
mod check;
mod descriptor;
mod flog;
mod geometry;
mod info;
mod layout;
mod map;

pub(crate) use arena::{Arena, Infos};
pub(crate) use check::check;
pub(crate) use descriptor::make as make_descriptor;
pub(crate) use flog::{Entry, Lane, make as make_flog};
pub(crate) use geometry::LANES;
pub(crate) use info::make as make_info;
pub(crate) use layout::{Extent, Layout};
pub(crate) use map::{MapEntry, State};

use super::Invalid;
use super::header::{self, Header, Kind};
use super::source::Source;
use descriptor::Descriptor;

/// Where the first arena starts, in bytes from the start of the file.
pub(crate) const ARENAS_START: u64 = 2 * super::PAGE;

/// A block pool that was found valid.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// The pool's header.
    pub header: Header,
    /// The size in bytes of a block.
    pub block_size: u32,
    /// The file held zeros when the pool was made, so that laying it out need not clear the maps.
    pub is_zeroed: bool,
    /// Where everything lies, or will once it is laid out.
    pub layout: Layout,
    /// The arenas in their order; empty while the pool is not laid out. Its blocks are all zeros then, and the first
    /// write lays out every arena, even one that an interrupted first write has laid out already.
    pub arenas: Vec<Arena>,
}

impl Pool {
    /// Whether the pool is laid out.
    pub(crate) fn is_laid_out(&self) -> bool {
        !self.arenas.is_empty()
    }

    /// Refuses a pool of which an arena's first info block is damaged, although its copy is not: the C library takes
    /// such a pool for one that is not laid out, and overwrites it at the next write.
    ///
    /// # Errors
    /// What is wrong with the info block.
    #[cfg(any(test, feature = "pmdk"))]
    pub(crate) fn check_first_infos(&self) -> Result<(), super::Damage> {
        let damaged = self.arenas.iter().find_map(|arena| match &arena.infos {
            Infos::FirstDamaged(damage) => Some(damage.clone()),
            _ => None,
        });
        damaged.map_or(Ok(()), Err)
    }
}

/// Reads and validates a block pool all but its maps and its data, which costs two small reads and three for each
/// arena.
///
/// # Errors
/// [`Invalid`] for what is not a valid block pool.
pub(crate) fn read<S: Source + ?Sized>(source: &S) -> Result<Pool, Invalid> {
    let header = header::read(source, Kind::Blk)?;
    let Descriptor { block_size, is_zeroed } = descriptor::read(source)?;
    let len = source.len().map_err(Invalid::Io)?;
    let layout = Layout::new(len, block_size).ok_or_else(|| descriptor::too_large(block_size))?;
    let arenas = arena::read_all(source, &layout, &header.identity.poolset, is_zeroed)?;
    Ok(Pool { header, block_size, is_zeroed, layout, arenas })
}
