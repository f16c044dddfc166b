//! Block arrays as JavaScript sees them: by handle.
#![allow(unsafe_code)]

use napi::Env;
use napi::bindgen_prelude::{Object, Uint8ArraySlice};
use napi_derive::napi;
use pmem::{BlockArray, check_source};

use super::pools::{self, Pool, PoolFlags, open_options};
use crate::shared::errors::Crossing;
use crate::shared::files::path_of;
use crate::shared::frame::hot_calls;
use crate::shared::opened::{Kind, Opened, keep, with};

impl Kind for BlockArray {
    const NAME: &'static str = "block array";
}

impl Pool for BlockArray {
    fn settle(&self) {
        self.settle();
    }
}

/// What TypeScript keeps of an array.
#[napi(object)]
pub struct ArrayInfo {
    /// Names the array in every later call.
    pub handle: f64,
    /// The engine in use.
    pub engine: String,
    /// The size of a block.
    pub bsize: f64,
    /// The number of blocks.
    pub nblock: f64,
}

/// `pmemblk_create`.
#[napi(catch_unwind)]
pub fn array_create(
    env: &Env,
    path: Uint8ArraySlice<'_>,
    block_size: u32,
    flags: PoolFlags,
) -> napi::Result<ArrayInfo> {
    opened(env, flags.new_pool().and_then(|new| BlockArray::create(&path_of(&path), block_size, &new)))
}

/// `pmemblk_open`.
#[napi(catch_unwind)]
pub fn array_open(
    env: &Env,
    path: Uint8ArraySlice<'_>,
    block_size: u32,
    engine: String,
    readonly: bool,
) -> napi::Result<ArrayInfo> {
    let options = open_options(&engine, readonly);
    opened(env, options.and_then(|options| BlockArray::open(&path_of(&path), block_size, options)))
}

/// `pmemblk_check`.
#[napi(catch_unwind)]
pub fn array_check(env: &Env, path: Uint8ArraySlice<'_>, block_size: u32) -> napi::Result<bool> {
    BlockArray::check(&path_of(&path), block_size).cross(env)
}

/// `pmemblk_check_version`.
#[napi(catch_unwind)]
pub fn array_check_version(env: &Env, major: u32, minor: u32) -> napi::Result<()> {
    BlockArray::check_version(major, minor).cross(env)
}

/// Puts writing whole blocks in a row off: from a copy made now.
#[napi(catch_unwind)]
pub fn array_enqueue(env: &Env, handle: f64, queue: f64, first: f64, data: Uint8ArraySlice<'_>) -> napi::Result<()> {
    pools::enqueue(env, handle, queue, |array: &BlockArray| {
        check_source(&data).and_then(|()| array.enqueue(first as u64, data.to_vec()))
    })
}

/// How many bytes wait to be written, of all handles on the array.
#[napi(catch_unwind)]
pub fn array_pending(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |array: &BlockArray| Ok(array.pending() as f64))
}

/// How many bytes may wait to be written, from now on and for all handles on the array.
#[napi(catch_unwind)]
pub fn array_limit_pending(env: &Env, handle: f64, most: f64) -> napi::Result<()> {
    with(env, handle, |array: &BlockArray| {
        array.limit_pending(most as u64);
        Ok(())
    })
}

/// `pmemblk_set_zero`.
#[napi(catch_unwind)]
pub fn array_set_zero(env: &Env, handle: f64, index: f64) -> napi::Result<()> {
    with(env, handle, |array: &BlockArray| array.set_zero(index as u64))
}

/// `pmemblk_set_error`.
#[napi(catch_unwind)]
pub fn array_set_error(env: &Env, handle: f64, index: f64) -> napi::Result<()> {
    with(env, handle, |array: &BlockArray| array.set_error(index as u64))
}

/// That no page of the array's file was lost.
#[napi(catch_unwind)]
pub fn array_intact(env: &Env, handle: f64) -> napi::Result<()> {
    with(env, handle, BlockArray::check_intact)
}

/// Finishes what was put off and drops the handle. An unknown one is closed already.
#[napi(catch_unwind)]
pub fn array_close(env: &Env, handle: f64) -> napi::Result<()> {
    pools::close::<BlockArray>(env, handle)
}

/// The calls of `ts/nvml/block-calls.ts`.
#[napi(catch_unwind, ts_return_type = "Record<'read' | 'write', (bytes: Uint8Array) => void>")]
pub fn array_calls(env: &Env) -> napi::Result<Object<'_>> {
    hot_calls!(env, Opened<BlockArray> { "read" => read(target), "write" => write(data) })
}

/// Reads blocks in a row into a target, as many as its first bytes have room for.
fn read(arrays: &Opened<BlockArray>, target: &mut [u8]) -> pmem::Result<()> {
    let frame = &arrays.frame;
    let len = frame.length().min(target.len());
    arrays.named(|array| array.read(frame.offset() as u64, &mut target[..len]))
}

/// Writes blocks in a row.
fn write(arrays: &Opened<BlockArray>, data: &mut [u8]) -> pmem::Result<()> {
    let first = arrays.frame.offset() as u64;
    arrays.named(|array| check_source(data).and_then(|()| array.write(first, data)))
}

fn opened(env: &Env, array: pmem::Result<BlockArray>) -> napi::Result<ArrayInfo> {
    keep(env, array, |array, handle| ArrayInfo {
        handle,
        engine: array.engine().name().to_owned(),
        bsize: array.block_size() as f64,
        nblock: array.block_count() as f64,
    })
}
