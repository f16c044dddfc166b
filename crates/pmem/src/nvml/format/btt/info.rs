//! The info block at an arena's start, and its copy at the end.

use super::geometry::{DATA, LANES};
use super::layout::Extent;
use crate::nvml::format::bytes::{array, checksum, put, u16_at, u32_at, u64_at};
use crate::nvml::format::{Damage, PAGE, Uuid};
use crate::os::deliberate;

/// The number of bytes of an info block.
pub(super) const SIZE: usize = PAGE as usize;

const SIGNATURE: [u8; 16] = *b"BTT_ARENA_INFO\0\0";
const MAJOR: u16 = 1;
const MINOR: u16 = 1;

const UUID: usize = 16;
const PARENT: usize = 32;
const FLAGS: usize = 48;
const VERSION: usize = 52;
const INFO_COPY: usize = 112;
const CHECKSUM: usize = 4088;

/// Where an info block of unknown uuid cannot be predicted.
pub(super) const UNKNOWN: [std::ops::Range<usize>; 2] = [UUID..PARENT, CHECKSUM..SIZE];

/// Makes the info block of the arena at `extent`, for its start and its end alike. Every arena of a pool gets the same
/// `uuid`; `parent` is the name of the pool.
pub(crate) fn make(extent: &Extent, uuid: &Uuid, parent: &Uuid) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    put(&mut bytes, 0, SIGNATURE);
    put(&mut bytes, UUID, uuid.0);
    put(&mut bytes, PARENT, parent.0);
    put(&mut bytes, VERSION, MAJOR.to_le_bytes());
    put(&mut bytes, VERSION + 2, MINOR.to_le_bytes());
    for (_, at, value) in counts(extent) {
        put(&mut bytes, at, value.to_le_bytes());
    }
    for (_, at, value) in offsets(extent) {
        put(&mut bytes, at, value.to_le_bytes());
    }
    let sum = checksum(&bytes, CHECKSUM, SIZE);
    put(&mut bytes, CHECKSUM, sum.to_le_bytes());
    bytes
}

/// What an info block says that does not follow from its arena's extent.
pub(super) struct Info {
    /// The name that all info blocks of a pool share.
    pub uuid: Uuid,
    flags: u32,
    offset: u64,
}

impl Info {
    /// Refuses an arena that was found in error before. The C library reads it and fails to write to it.
    pub(super) fn check_flags(&self) -> Result<(), Damage> {
        if self.flags == 0 {
            return Ok(());
        }
        let detail = format!("they are {:#x}: the arena was found in error before", self.flags);
        Err(Damage::new("BTT info flags", self.offset + FLAGS as u64, detail))
    }
}

/// Validates the info block in `bytes`, which lies at byte `offset` of the file, all but its flags.
pub(super) fn parse(bytes: &[u8; SIZE], offset: u64, extent: &Extent, parent: &Uuid) -> Result<Info, Damage> {
    let wrong = |field, at: usize, detail: String| Damage::new(field, offset + at as u64, detail);
    if !has_signature(bytes) {
        return Err(wrong("BTT info signature", 0, "it is not that of an info block".into()));
    }
    if !has_valid_checksum(bytes) {
        return Err(wrong("BTT info checksum", CHECKSUM, "it does not match the info block".into()));
    }
    if array(bytes, PARENT) != parent.0 {
        return Err(wrong("BTT info parent uuid", PARENT, "it is that of another pool".into()));
    }
    let major = u16_at(bytes, VERSION);
    if major != MAJOR {
        return Err(wrong("BTT info version", VERSION, format!("version {major} is not supported, only {MAJOR} is")));
    }
    check_sizes(bytes, extent).map_err(|(field, at, detail)| wrong(field, at, detail))?;
    Ok(Info { uuid: Uuid(array(bytes, UUID)), flags: u32_at(bytes, FLAGS), offset })
}

/// Whether `bytes` is the intact info block of another pool.
pub(super) fn is_foreign(bytes: &[u8; SIZE], parent: &Uuid) -> bool {
    has_signature(bytes) && has_valid_checksum(bytes) && array(bytes, PARENT) != parent.0
}

/// Whether `bytes` look like an info block of this pool, be it damaged.
pub(super) fn resembles(bytes: &[u8; SIZE], parent: &Uuid) -> bool {
    has_signature(bytes) || array(bytes, PARENT) == parent.0
}

fn has_signature(bytes: &[u8; SIZE]) -> bool {
    array(bytes, 0) == SIGNATURE
}

fn has_valid_checksum(bytes: &[u8; SIZE]) -> bool {
    checksum(bytes, CHECKSUM, SIZE) == u64_at(bytes, CHECKSUM) || deliberate::is_on("btt: info not checked")
}

/// Compares all sizes with what the sizes of file and block make them.
fn check_sizes(bytes: &[u8; SIZE], extent: &Extent) -> Result<(), (&'static str, usize, String)> {
    let made_for = u64_at(bytes, INFO_COPY).wrapping_add(PAGE);
    if made_for != extent.geometry.len {
        let detail = format!("the arena was made {made_for} bytes long and has {} now", extent.geometry.len);
        return Err(("BTT info copy offset", INFO_COPY, detail + ": the file was resized or is damaged"));
    }
    for (field, at, expected) in counts(extent) {
        let found = u32_at(bytes, at);
        if found != expected {
            return Err((field, at, format!("it is {found}; the sizes of the file and of a block make it {expected}")));
        }
    }
    for (field, at, expected) in offsets(extent) {
        let found = u64_at(bytes, at);
        if found != expected {
            return Err((field, at, format!("it is {found}; the sizes of the file and of a block make it {expected}")));
        }
    }
    Ok(())
}

/// The fields of four bytes that follow from the arena's extent: name, position and value.
fn counts(extent: &Extent) -> [(&'static str, usize, u32); 6] {
    let geometry = &extent.geometry;
    [
        ("BTT info block size", 56, geometry.block_size),
        ("BTT info block count", 60, geometry.blocks),
        ("BTT info internal block size", 64, geometry.slot_size),
        ("BTT info internal block count", 68, geometry.slots),
        ("BTT info free block count", 72, LANES),
        ("BTT info size", 76, SIZE as u32),
    ]
}

/// The fields of eight bytes that follow from the arena's extent: name, position and value.
fn offsets(extent: &Extent) -> [(&'static str, usize, u64); 5] {
    let geometry = &extent.geometry;
    [
        ("BTT info next arena offset", 80, extent.next),
        ("BTT info data offset", 88, DATA),
        ("BTT info map offset", 96, geometry.map),
        ("BTT info flog offset", 104, geometry.flog),
        ("BTT info copy offset", INFO_COPY, geometry.info_copy),
    ]
}
