//! Logs as JavaScript sees them: by handle.
#![allow(unsafe_code)]

use napi::Env;
use napi::bindgen_prelude::{Function, Object, Uint8ArraySlice};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use pmem::{Log, check_source};

use super::pools::{self, Pool, PoolFlags, open_options};
use crate::shared::errors::Crossing;
use crate::shared::files::path_of;
use crate::shared::frame::hot_calls;
use crate::shared::opened::{Kind, Opened, keep, with};

impl Kind for Log {
    const NAME: &'static str = "log";
}

impl Pool for Log {
    fn settle(&self) {
        self.settle();
    }
}

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

/// `pmemlog_create`.
#[napi(catch_unwind)]
pub fn log_create(env: &Env, path: Uint8ArraySlice<'_>, flags: PoolFlags) -> napi::Result<LogInfo> {
    opened(env, flags.new_pool().and_then(|new| Log::create(&path_of(&path), &new)))
}

/// `pmemlog_open`.
#[napi(catch_unwind)]
pub fn log_open(env: &Env, path: Uint8ArraySlice<'_>, engine: String, readonly: bool) -> napi::Result<LogInfo> {
    opened(env, open_options(&engine, readonly).and_then(|options| Log::open(&path_of(&path), options)))
}

/// How many bytes wait to be written, of all handles on the log.
#[napi(catch_unwind)]
pub fn log_pending(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |log: &Log| Ok(log.pending() as f64))
}

/// How many bytes may wait to be written, from now on and for all handles on the log.
#[napi(catch_unwind)]
pub fn log_limit_pending(env: &Env, handle: f64, most: f64) -> napi::Result<()> {
    with(env, handle, |log: &Log| {
        log.limit_pending(most as u64);
        Ok(())
    })
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

/// How often the log was rewound.
#[napi(catch_unwind)]
pub fn log_rewinds(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |log: &Log| Ok(log.rewinds() as f64))
}

/// How many bytes the log holds, for who asks again soon.
#[napi(catch_unwind)]
pub fn log_look(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |log: &Log| Ok(log.look()? as f64))
}

/// Calls back once, when this process changes the log so that it holds other than `held` bytes. Waiting for it keeps no
/// process alive.
#[napi(catch_unwind)]
pub fn log_when_changed(env: &Env, handle: f64, held: f64, call: Function<'_, (), ()>) -> napi::Result<()> {
    let call = call.build_threadsafe_function::<()>().weak::<true>().build()?;
    with(env, handle, |log: &Log| {
        // An environment that has ended is not told, and need not be.
        log.when_changed(held as u64, move || _ = call.call((), ThreadsafeFunctionCallMode::NonBlocking));
        Ok(())
    })
}

/// `pmemlog_append` of what is too long for the call frame.
#[napi(catch_unwind)]
pub fn log_append(env: &Env, handle: f64, data: Uint8ArraySlice<'_>) -> napi::Result<()> {
    with(env, handle, |log: &Log| check_source(&data).and_then(|()| log.append(&[&data])))
}

/// `pmemlog_appendv` of copies that TypeScript made.
#[napi(catch_unwind)]
pub fn log_append_parts(env: &Env, handle: f64, parts: Vec<Uint8ArraySlice<'_>>) -> napi::Result<()> {
    let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
    with(env, handle, |log: &Log| log.append(&parts))
}

/// Puts `pmemlog_append` of what is too long for the call frame off: of a copy made now.
#[napi(catch_unwind)]
pub fn log_enqueue(env: &Env, handle: f64, queue: f64, data: Uint8ArraySlice<'_>) -> napi::Result<()> {
    pools::enqueue(env, handle, queue, |log: &Log| check_source(&data).and_then(|()| log.enqueue(data.to_vec())))
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

/// Finishes what was put off and drops the handle. An unknown one is closed already.
#[napi(catch_unwind)]
pub fn log_close(env: &Env, handle: f64) -> napi::Result<()> {
    pools::close::<Log>(env, handle)
}

/// The calls of `ts/nvml/log-calls.ts`.
#[napi(
    catch_unwind,
    ts_return_type = "Record<'append' | 'appendGathered' | 'enqueue' | 'tell', () => void> & Record<'read', (target: Uint8Array) => void>"
)]
pub fn log_calls(env: &Env) -> napi::Result<Object<'_>> {
    hot_calls!(env, Opened<Log> {
        "append" => append,
        "appendGathered" => append_gathered,
        "enqueue" => enqueue,
        "tell" => tell,
        "read" => read(target),
    })
}

/// Appends what is staged.
fn append(logs: &Opened<Log>) -> pmem::Result<()> {
    let frame = &logs.frame;
    logs.named(|log| log.append(&[frame.staged(frame.length())]))
}

/// Appends what was gathered.
fn append_gathered(logs: &Opened<Log>) -> pmem::Result<()> {
    let frame = &logs.frame;
    logs.named(|log| log.append(&[frame.gathered(frame.length())]))
}

/// Puts an append of what is staged off. The flag is the queue that waits for it.
fn enqueue(logs: &Opened<Log>) -> pmem::Result<()> {
    let frame = &logs.frame;
    let ticket = logs.named(|log| log.enqueue(frame.staged(frame.length()).to_vec()))?;
    logs.pending.add(frame.flag(), ticket);
    Ok(())
}

/// Gives how many bytes the log holds.
fn tell(logs: &Opened<Log>) -> pmem::Result<()> {
    logs.frame.give(0, logs.named(Log::tell)? as f64);
    Ok(())
}

/// Fills a target from an offset; gives how far the log went.
fn read(logs: &Opened<Log>, target: &mut [u8]) -> pmem::Result<()> {
    let frame = &logs.frame;
    let count = logs.named(|log| log.read(frame.offset() as u64, target))?;
    frame.give(0, count as f64);
    Ok(())
}

fn opened(env: &Env, log: pmem::Result<Log>) -> napi::Result<LogInfo> {
    keep(env, log, |log, handle| LogInfo { handle, engine: log.engine().name().to_owned(), nbyte: log.nbyte() as f64 })
}
