//! The metadata of one arena, and whether there is any.

use super::LANES;
use super::flog::{self, Lane};
use super::geometry::FLOG_LEN;
use super::info;
use super::layout::{Extent, Layout};
use crate::nvml::format::bytes::{is_torn_write, is_zero};
use crate::nvml::format::source::{self, Source};
use crate::nvml::format::{Damage, Invalid, Uuid};

/// An arena that was found valid.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    /// Where the arena lies.
    pub extent: Extent,
    /// The name that all info blocks of a pool share, for [`make_info`](super::make_info).
    #[allow(dead_code, reason = "tests tell layouts apart by it")]
    pub uuid: Uuid,
    /// Which of the two info blocks are intact.
    pub infos: Infos,
    /// The state of every lane.
    pub lanes: Vec<Lane>,
}

/// Which of an arena's two info blocks are intact. One is enough to use the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Infos {
    /// Both are.
    Intact,
    /// The copy is zeros, or only a part of it is there: the first write was interrupted. The C library leaves it so.
    CopyMissing,
    /// The copy is damaged.
    CopyDamaged(Damage),
    /// The one at the arena's start is damaged.
    FirstDamaged(Damage),
}

/// Reads the arenas of a pool with the name `parent`: all of them, or none if it is not laid out.
///
/// The first write lays out arena after arena: the flog, the info block, its copy. Before it ends no block is written.
/// So an arena may be missing only where the pool holds no block yet.
pub(super) fn read_all<S: Source + ?Sized>(
    source: &S,
    layout: &Layout,
    parent: &Uuid,
    is_zeroed: bool,
) -> Result<Vec<Arena>, Invalid> {
    let mut arenas: Vec<Arena> = Vec::new();
    let mut missing: Option<Damage> = None;
    for extent in layout.iter() {
        match (Metadata::read(source, extent)?.find(parent, is_zeroed)?, &missing) {
            (Found::Arena(arena), None) => arenas.push(arena),
            (Found::Arena(_), Some(damage)) => return Err(damage.clone().into()),
            (Found::Nothing(damage), None) if arenas.iter().all(Arena::is_pristine) => missing = Some(damage),
            (Found::Nothing(damage), None) => return Err(damage.into()),
            (Found::Nothing(_), Some(_)) => {}
        }
    }
    if missing.is_some() {
        arenas.clear();
    }
    Ok(arenas)
}

/// What an arena's metadata turned out to be.
enum Found {
    /// An arena that is laid out.
    Arena(Arena),
    /// Nothing that was ever in use; this is what would be wrong with it if it had been.
    Nothing(Damage),
}

/// The metadata of an arena but its map, as it is in the file.
struct Metadata {
    extent: Extent,
    first: [u8; info::SIZE],
    copy: [u8; info::SIZE],
    flog: Vec<u8>,
}

impl Metadata {
    fn read<S: Source + ?Sized>(source: &S, extent: Extent) -> Result<Self, Invalid> {
        let (mut first, mut copy) = ([0; info::SIZE], [0; info::SIZE]);
        source::read_into(source, "BTT info block", extent.start, &mut first)?;
        source::read_into(source, "BTT info copy", extent.info_copy(), &mut copy)?;
        let flog = source::read(source, "BTT flog", extent.flog(), FLOG_LEN as usize)?;
        Ok(Self { extent, first, copy, flog })
    }

    /// Validates it as that of a pool with the name `parent`.
    fn find(&self, parent: &Uuid, is_zeroed: bool) -> Result<Found, Damage> {
        let first = info::parse(&self.first, self.extent.start, &self.extent, parent);
        let copy = info::parse(&self.copy, self.extent.info_copy(), &self.extent, parent);
        for info in [&first, &copy].into_iter().flatten() {
            info.check_flags()?;
        }
        let (info, infos) = match (first, copy) {
            (Ok(info), Ok(_)) => (info, Infos::Intact),
            (Ok(info), Err(_)) if is_torn_write(&self.copy, &self.first, &[]) => (info, Infos::CopyMissing),
            (Ok(info), Err(damage)) => (info, Infos::CopyDamaged(damage)),
            (Err(damage), Ok(info)) => (info, Infos::FirstDamaged(damage)),
            (Err(damage), Err(_)) if self.is_unused(parent, is_zeroed) => return Ok(Found::Nothing(damage)),
            (Err(damage), Err(_)) => return Err(damage),
        };
        let lanes = flog::check(&self.flog, self.extent.flog(), &self.extent.geometry)?;
        Ok(Found::Arena(Arena { extent: self.extent, uuid: info.uuid, infos, lanes }))
    }

    /// Whether, with neither info block intact, there cannot have been an arena that a block was written to.
    fn is_unused(&self, parent: &Uuid, is_zeroed: bool) -> bool {
        if is_zeroed { self.is_blank_or_interrupted(parent) } else { self.is_foreign_or_interrupted(parent) }
    }

    /// Whether a file of zeros can look like this before or while the arena is laid out.
    fn is_blank_or_interrupted(&self, parent: &Uuid) -> bool {
        let geometry = &self.extent.geometry;
        if !is_zero(&self.copy) {
            return false;
        }
        if is_zero(&self.first) {
            return flog::is_interrupted(&self.flog, geometry);
        }
        let expected = info::make(&self.extent, &Uuid([0; 16]), parent);
        flog::is_initial(&self.flog, geometry) && is_torn_write(&self.first, &expected, &info::UNKNOWN)
    }

    /// Whether a file that held anything can look like this before or while the arena is laid out. What it held may
    /// have been another pool's arena.
    fn is_foreign_or_interrupted(&self, parent: &Uuid) -> bool {
        let infos = [&self.first, &self.copy];
        if flog::is_initial(&self.flog, &self.extent.geometry)
            || infos.iter().any(|info| info::is_foreign(info, parent))
        {
            return true;
        }
        let is_in_use = flog::check(&self.flog, self.extent.flog(), &self.extent.geometry).is_ok();
        !is_in_use && !infos.iter().any(|info| info::resembles(info, parent))
    }
}

impl Arena {
    /// Whether no block was ever written in this arena.
    fn is_pristine(&self) -> bool {
        (0..LANES).zip(&self.lanes).all(|(index, lane)| lane.is_initial(index, &self.extent.geometry))
    }
}
