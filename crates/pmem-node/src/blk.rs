//! Block arrays as JavaScript sees them: by handle.
#![allow(unsafe_code)]

use napi::Env;
use napi::bindgen_prelude::{AsyncTask, Uint8ArraySlice};
use napi_derive::napi;
use pmem::{BlockArray, check_source};

use crate::deferred::{Deferred, deferred};
use crate::errors::Crossing;
use crate::files::path_of;
use crate::log::{PoolFlags, open_options};
use crate::state::State;

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
    keep(env, flags.new_pool().and_then(|new| BlockArray::create(&path_of(&path), block_size, &new)))
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
    keep(env, options.and_then(|options| BlockArray::open(&path_of(&path), block_size, options)))
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

/// Fills `target` with blocks in a row.
#[napi(catch_unwind)]
pub fn array_read(env: &Env, handle: f64, first: f64, mut target: Uint8ArraySlice<'_>) -> napi::Result<()> {
    // SAFETY: the target is a live view, and JavaScript does not run meanwhile.
    let target = unsafe { target.as_mut() };
    with(env, handle, |array| array.read(first as u64, target))
}

/// Writes whole blocks in a row.
#[napi(catch_unwind)]
pub fn array_write(env: &Env, handle: f64, first: f64, data: Uint8ArraySlice<'_>) -> napi::Result<()> {
    with(env, handle, |array| check_source(&data).and_then(|()| array.write(first as u64, &data)))
}

/// Writes whole blocks in a row off the main thread, from a copy made at the call.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn array_write_async(
    env: &Env,
    handle: f64,
    first: f64,
    data: Uint8ArraySlice<'_>,
) -> napi::Result<AsyncTask<Deferred>> {
    let ticket =
        with(env, handle, |array| check_source(&data).and_then(|()| array.enqueue(first as u64, data.to_vec())))?;
    Ok(deferred(move || ticket.wait()))
}

/// `pmemblk_set_zero`.
#[napi(catch_unwind)]
pub fn array_set_zero(env: &Env, handle: f64, index: f64) -> napi::Result<()> {
    with(env, handle, |array| array.set_zero(index as u64))
}

/// `pmemblk_set_error`.
#[napi(catch_unwind)]
pub fn array_set_error(env: &Env, handle: f64, index: f64) -> napi::Result<()> {
    with(env, handle, |array| array.set_error(index as u64))
}

/// That no page of the array's file was lost.
#[napi(catch_unwind)]
pub fn array_intact(env: &Env, handle: f64) -> napi::Result<()> {
    with(env, handle, BlockArray::check_intact)
}

/// Waits, off the main thread, for all writes that were put off.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn array_settle_async(env: &Env, handle: f64) -> napi::Result<AsyncTask<Deferred>> {
    let array = with(env, handle, |array| Ok(array.clone()))?;
    Ok(deferred(move || {
        array.settle();
        Ok(())
    }))
}

/// Finishes what was put off and drops the handle. An unknown one is closed already.
#[napi(catch_unwind)]
pub fn array_close(env: &Env, handle: f64) -> napi::Result<()> {
    let taken = State::of(env)?.arrays.borrow_mut().take(handle);
    if let Some(array) = taken {
        array.settle();
    }
    Ok(())
}

/// Calls `work` with an open handle's block array.
fn with<T>(env: &Env, handle: f64, work: impl FnOnce(&BlockArray) -> pmem::Result<T>) -> napi::Result<T> {
    State::of(env)?.arrays.borrow().open(handle, "block array").and_then(work).cross(env)
}

fn keep(env: &Env, opened: pmem::Result<BlockArray>) -> napi::Result<ArrayInfo> {
    let array = opened.cross(env)?;
    let engine = array.engine().name().to_owned();
    let (bsize, nblock) = (array.block_size() as f64, array.block_count() as f64);
    let handle = State::of(env)?.arrays.borrow_mut().insert(array);
    Ok(ArrayInfo { handle, engine, bsize, nblock })
}
