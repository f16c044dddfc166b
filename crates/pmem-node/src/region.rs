//! Regions as JavaScript sees them: by handle.
#![allow(unsafe_code)]

mod hot;

use std::ptr::NonNull;

use napi::Env;
use napi::bindgen_prelude::{Either, Float64ArraySlice, Uint8ArraySlice, Unknown};
use napi_derive::napi;
use pmem::{Advice, CreateOptions, MapOptions, Region, check_source};

use crate::shared::buffers;
use crate::shared::errors::Crossing;
use crate::shared::files::{borrow, path_of};
use crate::shared::opened::{Kind, keep, take, with};

impl Kind for Region {
    const NAME: &'static str = "region";
}

/// What TypeScript keeps of a region.
#[napi(object)]
pub struct RegionInfo {
    /// Names the region in every later call.
    pub handle: f64,
    /// Its size.
    pub byte_length: f64,
    /// Whether flushing caches makes its stores durable.
    pub is_pmem: bool,
    /// Whether nothing is written.
    pub readonly: bool,
    /// Whether what is written stays private.
    pub copy_on_write: bool,
}

/// `pmem_map_file`'s flags.
#[napi(object)]
pub struct FileFlags {
    /// The number of bytes to map.
    pub length: f64,
    /// Where in the file.
    pub offset: f64,
    /// How long the region may grow.
    pub max_length: Option<f64>,
    /// PMEM_FILE_EXCL.
    pub exclusive: bool,
    /// PMEM_FILE_SPARSE.
    pub sparse: bool,
    /// PMEM_FILE_TMPFILE.
    pub tmpfile: bool,
    /// Whether a longer file is cut.
    pub truncate: bool,
    /// The new file's permissions.
    pub mode: u32,
    /// Whether a memory may be covered later.
    pub coverable: bool,
    /// How the region is used.
    pub access: String,
    /// Whether all of it is read now.
    pub populate: bool,
    /// Whether it stays in memory.
    pub lock: bool,
}

/// What to map, and how.
#[napi(object)]
pub struct MapFlags {
    /// The first byte.
    pub offset: f64,
    /// The number of bytes; the rest where it is not given.
    pub byte_length: Option<f64>,
    /// How long the region may grow.
    pub max_length: Option<f64>,
    /// Whether nothing is written.
    pub readonly: bool,
    /// Whether what is written stays private.
    pub copy_on_write: bool,
    /// Whether a memory may be covered later.
    pub coverable: bool,
    /// How the region is used.
    pub access: String,
    /// Whether all of it is read now.
    pub populate: bool,
    /// Whether it stays in memory.
    pub lock: bool,
}

impl MapFlags {
    fn options(&self) -> MapOptions {
        MapOptions {
            offset: self.offset as u64,
            len: self.byte_length.map(|length| length as usize),
            max_len: self.max_length.map(|length| length as usize),
            sparse: false,
            readonly: self.readonly,
            copy_on_write: self.copy_on_write,
            coverable: self.coverable,
            advice: advice_named(&self.access),
            populate: self.populate,
            lock: self.lock,
        }
    }
}

/// Maps a descriptor, or the file at a path.
#[napi(catch_unwind)]
pub fn region_map(env: &Env, file: Either<i32, Uint8ArraySlice<'_>>, flags: MapFlags) -> napi::Result<RegionInfo> {
    let mapped = match file {
        Either::A(descriptor) => borrow(descriptor).and_then(|file| Region::map(file, flags.options())),
        Either::B(path) => Region::open(&path_of(&path), flags.options()),
    };
    opened(env, mapped)
}

/// `pmem_map_file` without its create flag.
#[napi(catch_unwind)]
pub fn region_map_existing(env: &Env, path: Uint8ArraySlice<'_>, flags: MapFlags) -> napi::Result<RegionInfo> {
    opened(env, Region::map_existing(&path_of(&path), flags.options()))
}

/// `pmem_map_file` with its create flag.
#[napi(catch_unwind)]
pub fn region_create(env: &Env, path: Uint8ArraySlice<'_>, flags: FileFlags) -> napi::Result<RegionInfo> {
    let options = CreateOptions {
        len: flags.length as usize,
        offset: flags.offset as u64,
        max_len: flags.max_length.map(|length| length as usize),
        exclusive: flags.exclusive,
        sparse: flags.sparse,
        tmpfile: flags.tmpfile,
        truncate: flags.truncate,
        mode: flags.mode,
        coverable: flags.coverable,
        advice: advice_named(&flags.access),
        populate: flags.populate,
        lock: flags.lock,
    };
    opened(env, Region::map_file(&path_of(&path), &options))
}

/// Makes a region longer, and its file.
#[napi(catch_unwind)]
pub fn region_grow(env: &Env, handle: f64, length: f64) -> napi::Result<()> {
    open(env, handle)?.grow(length as usize).cross(env)
}

/// The region's memory as an ArrayBuffer; `null` where the runtime forbids that. TypeScript asks once for each length that
/// the region has.
#[napi(catch_unwind, ts_return_type = "ArrayBuffer | null")]
pub fn region_buffer(env: &Env, handle: f64) -> napi::Result<Option<Unknown<'_>>> {
    buffers::over(env, &open(env, handle)?.mapping())
}

/// Maps the region once more, over the pages of a WebAssembly memory of TypeScript's, which was just made and lives as long
/// as the handle.
#[napi(catch_unwind)]
pub fn region_cover(env: &Env, handle: f64, mut memory: Uint8ArraySlice<'_>, shared: bool) -> napi::Result<()> {
    let region = open(env, handle)?;
    // SAFETY: the memory is TypeScript's own, and nothing is in it yet.
    unsafe {
        let memory = memory.as_mut();
        region.cover(NonNull::from(&mut memory[..]).cast(), memory.len(), shared).cross(env)
    }
}

/// Another handle on the region that covers a shared memory; `null` where none does.
#[napi(catch_unwind, ts_return_type = "RegionInfo | null")]
pub fn region_attach(env: &Env, memory: Uint8ArraySlice<'_>) -> napi::Result<Option<RegionInfo>> {
    let region = Region::covering(NonNull::from(&memory[..]).cast(), memory.len());
    region.map(|region| opened(env, Ok(region))).transpose()
}

/// That no page of the region was lost, and that the memory it covers was not closed by another thread.
#[napi(catch_unwind)]
pub fn region_intact(env: &Env, handle: f64) -> napi::Result<()> {
    open(env, handle)?.check_intact().cross(env)
}

/// Whether the memory that the region covers was closed by another thread.
#[napi(catch_unwind)]
pub fn region_is_uncovered(env: &Env, handle: f64) -> napi::Result<bool> {
    Ok(open(env, handle)?.is_uncovered())
}

/// That bytes do not lie in a mapping of which a page was lost.
#[napi(catch_unwind)]
pub fn check_data(env: &Env, data: Uint8ArraySlice<'_>) -> napi::Result<()> {
    check_source(&data).cross(env)
}

/// Closes a region and empties the buffers that anyone was given, or puts zeros into the memory that it made and covers. `null`
/// stands for buffers that are gone, whose memory may have been moved away before; then all that are left are among the others.
/// An unknown handle is closed already.
#[napi(catch_unwind)]
pub fn region_close(
    env: &Env,
    handle: f64,
    #[napi(ts_arg_type = "readonly (ArrayBuffer | null)[]")] buffers: Vec<Option<Unknown<'_>>>,
    uncover: bool,
) -> napi::Result<()> {
    let Some(region) = take::<Region>(env, handle)? else { return Ok(()) };
    if uncover {
        // SAFETY: TypeScript holds the memory. Where it fails the memory shows the file still, and closing goes on.
        let _ = unsafe { region.uncover() };
    }
    let mapping = region.mapping();
    let left: Vec<_> = buffers.iter().flatten().collect();
    let is_any_moved = left.len() < buffers.len() && buffers::has_other_owners(&mapping, left.len());
    let detached = left.iter().filter(|buffer| buffers::detach(env, buffer, &mapping)).count();
    if detached == left.len() && !is_any_moved {
        region.disconnect_on_drop();
    }
    Ok(())
}

/// Drops a region whose JavaScript object was collected; its buffer, if one lives on, keeps the file mapped.
#[napi(catch_unwind)]
pub fn region_drop(env: &Env, handle: f64) -> napi::Result<()> {
    take::<Region>(env, handle).map(drop)
}

/// `madvise` of a range.
#[napi(catch_unwind)]
pub fn region_advise(env: &Env, handle: f64, advice: String, offset: f64, length: f64) -> napi::Result<()> {
    open(env, handle)?.advise(advice_named(&advice), offset as usize, length as usize).cross(env)
}

/// `pmem_msync` of a range.
#[napi(catch_unwind)]
pub fn region_msync(env: &Env, handle: f64, offset: f64, length: f64) -> napi::Result<()> {
    open(env, handle)?.msync(offset as usize, length as usize).cross(env)
}

/// `pmem_persist` of ranges given as pairs of offset and length.
#[napi(catch_unwind)]
pub fn region_persist_many(env: &Env, handle: f64, ranges: Float64ArraySlice<'_>) -> napi::Result<()> {
    let ranges: Vec<_> = ranges.chunks_exact(2).map(|range| (range[0] as usize, range[1] as usize)).collect();
    open(env, handle)?.persist_many(&ranges).cross(env)
}

/// `pmem_memmove` into the region.
#[napi(catch_unwind)]
pub fn region_copy_from(
    env: &Env,
    handle: f64,
    offset: f64,
    source: Uint8ArraySlice<'_>,
    durable: bool,
) -> napi::Result<()> {
    let region = open(env, handle)?;
    check_source(&source).cross(env)?;
    // SAFETY: the source is a live view, and JavaScript does not run meanwhile.
    unsafe { region.copy_from(offset as usize, source.as_ptr(), source.len(), durable) }.cross(env)
}

/// Copies out of the region.
#[napi(catch_unwind)]
pub fn region_copy_to(env: &Env, handle: f64, offset: f64, target: Uint8ArraySlice<'_>) -> napi::Result<()> {
    let region = open(env, handle)?;
    // SAFETY: the target is a live view, and JavaScript does not run meanwhile.
    unsafe { region.copy_to(offset as usize, target.as_ptr().cast_mut(), target.len()) }.cross(env)
}

/// `pmem_memset` in the region.
#[napi(catch_unwind)]
pub fn region_fill(env: &Env, handle: f64, offset: f64, length: f64, value: u8, durable: bool) -> napi::Result<()> {
    open(env, handle)?.fill(offset as usize, length as usize, value, durable).cross(env)
}

/// `pmem_drain`, for all regions on persistent memory.
#[napi(catch_unwind)]
pub fn drain_all() {
    pmem::drain();
}

/// TypeScript's names of advice.
fn advice_named(name: &str) -> Advice {
    match name {
        "random" => Advice::Random,
        "sequential" => Advice::Sequential,
        "willneed" => Advice::WillNeed,
        "dontneed" => Advice::DontNeed,
        _ => Advice::Normal,
    }
}

fn open(env: &Env, handle: f64) -> napi::Result<Region> {
    with(env, handle, |region: &Region| Ok(region.clone()))
}

fn opened(env: &Env, mapped: pmem::Result<Region>) -> napi::Result<RegionInfo> {
    keep(env, mapped, |region, handle| RegionInfo {
        handle,
        byte_length: region.len() as f64,
        is_pmem: region.is_pmem(),
        readonly: region.is_readonly(),
        copy_on_write: region.is_copy_on_write(),
    })
}
