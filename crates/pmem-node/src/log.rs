//! Logs as JavaScript sees them: by handle.
#![allow(unsafe_code)]

use napi::Env;
use napi::bindgen_prelude::{AsyncTask, Uint8ArraySlice};
use napi_derive::napi;
use pmem::{Engine, Log, NewPool, OpenOptions, check_source};

use crate::deferred::{Deferred, deferred};
use crate::errors::Crossing;
use crate::files::path_of;
use crate::state::State;

/// What TypeScript keeps of a log.
#[napi(object)]
pub struct LogInfo {
    /// Names the log in every later call.
    pub handle: f64,
    /// The engine in use.
    pub engine: String,
    /// How many bytes the log can hold.
    pub nbyte: f64,
}

/// How a pool is made.
#[napi(object)]
pub struct PoolFlags {
    /// The file's size; 0 takes an existing file.
    pub size: f64,
    /// The new file's permissions.
    pub mode: u32,
    /// Whether blocks are allocated when first written.
    pub sparse: bool,
    /// The engine's name, or `auto`.
    pub engine: String,
}

impl PoolFlags {
    /// The core's form of the flags.
    pub(crate) fn new_pool(&self) -> pmem::Result<NewPool> {
        let engine = Engine::named(&self.engine)?;
        Ok(NewPool { size: self.size as u64, mode: self.mode, sparse: self.sparse, engine })
    }
}

/// The core's form of how a pool is opened.
pub(crate) fn open_options(engine: &str, readonly: bool) -> pmem::Result<OpenOptions> {
    Ok(OpenOptions { engine: Engine::named(engine)?, readonly })
}

/// `pmemlog_create`.
#[napi(catch_unwind)]
pub fn log_create(env: &Env, path: Uint8ArraySlice<'_>, flags: PoolFlags) -> napi::Result<LogInfo> {
    keep(env, flags.new_pool().and_then(|new| Log::create(&path_of(&path), &new)))
}

/// `pmemlog_open`.
#[napi(catch_unwind)]
pub fn log_open(env: &Env, path: Uint8ArraySlice<'_>, engine: String, readonly: bool) -> napi::Result<LogInfo> {
    keep(env, open_options(&engine, readonly).and_then(|options| Log::open(&path_of(&path), options)))
}

/// `pmemlog_check`.
#[napi(catch_unwind)]
pub fn log_check(env: &Env, path: Uint8ArraySlice<'_>) -> napi::Result<bool> {
    Log::check(&path_of(&path)).cross(env)
}

/// `pmemlog_check_version`.
#[napi(catch_unwind)]
pub fn log_check_version(env: &Env, major: u32, minor: u32) -> napi::Result<()> {
    Log::check_version(major, minor).cross(env)
}

/// `pmemlog_tell`.
#[napi(catch_unwind)]
pub fn log_tell(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |log| Ok(log.tell()? as f64))
}

/// How often the log was rewound.
#[napi(catch_unwind)]
pub fn log_rewinds(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |log| Ok(log.rewinds() as f64))
}

/// `pmemlog_append` of what is too long for the call frame.
#[napi(catch_unwind)]
pub fn log_append(env: &Env, handle: f64, data: Uint8ArraySlice<'_>) -> napi::Result<()> {
    with(env, handle, |log| check_source(&data).and_then(|()| log.append(&[&data])))
}

/// `pmemlog_append` off the main thread, of a copy made at the call.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn log_append_async(env: &Env, handle: f64, data: Uint8ArraySlice<'_>) -> napi::Result<AsyncTask<Deferred>> {
    let ticket = with(env, handle, |log| check_source(&data).and_then(|()| log.enqueue(data.to_vec())))?;
    Ok(deferred(move || ticket.wait()))
}

/// Fills `target` from an offset; returns how far the log went.
#[napi(catch_unwind)]
pub fn log_read(env: &Env, handle: f64, offset: f64, mut target: Uint8ArraySlice<'_>) -> napi::Result<f64> {
    // SAFETY: the target is a live view, and JavaScript does not run meanwhile.
    let target = unsafe { target.as_mut() };
    with(env, handle, |log| Ok(log.read(offset as u64, target)? as f64))
}

/// `pmemlog_rewind`.
#[napi(catch_unwind)]
pub fn log_rewind(env: &Env, handle: f64) -> napi::Result<()> {
    with(env, handle, Log::rewind)
}

/// That no page of the log's file was lost.
#[napi(catch_unwind)]
pub fn log_intact(env: &Env, handle: f64) -> napi::Result<()> {
    with(env, handle, Log::check_intact)
}

/// Waits, off the main thread, for all appends that were put off.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn log_settle_async(env: &Env, handle: f64) -> napi::Result<AsyncTask<Deferred>> {
    let log = with(env, handle, |log| Ok(log.clone()))?;
    Ok(deferred(move || {
        log.settle();
        Ok(())
    }))
}

/// Finishes what was put off and drops the handle. An unknown one is closed already.
#[napi(catch_unwind)]
pub fn log_close(env: &Env, handle: f64) -> napi::Result<()> {
    let taken = State::of(env)?.logs.borrow_mut().take(handle);
    if let Some(log) = taken {
        log.settle();
    }
    Ok(())
}

/// Calls `work` with an open handle's log.
fn with<T>(env: &Env, handle: f64, work: impl FnOnce(&Log) -> pmem::Result<T>) -> napi::Result<T> {
    State::of(env)?.logs.borrow().open(handle, "log").and_then(work).cross(env)
}

fn keep(env: &Env, opened: pmem::Result<Log>) -> napi::Result<LogInfo> {
    let log = opened.cross(env)?;
    let (engine, nbyte) = (log.engine().name().to_owned(), log.nbyte() as f64);
    let handle = State::of(env)?.logs.borrow_mut().insert(log);
    Ok(LogInfo { handle, engine, nbyte })
}
