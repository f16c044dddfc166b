//! Stores of objects as JavaScript sees them: by handle.

mod hot;
mod tasks;

use std::time::Duration;

use napi::bindgen_prelude::{AsyncTask, Buffer, Uint8ArraySlice};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use pmem::heap::{Durability, HeapOptions};
use pmem::objects::{ObjectsOptions, Session};

use crate::shared::errors::Crossing;
use crate::shared::files::path_of;
use crate::shared::opened::{self, Kind, keep, with};
use crate::shared::state;
use hot::Calls;
use tasks::{Backup, Collect, Flush, Wait};

impl Kind for Session {
    const NAME: &'static str = "store";
}

/// How a store is opened.
#[napi(object)]
pub struct ObjectsFlags {
    /// Whether it is made where it is missing.
    pub create: bool,
    /// Whether changes are refused.
    pub readonly: bool,
    /// The permissions of a new file.
    pub mode: u32,
    /// Whether commits are durable in groups.
    pub group: bool,
    /// How long a change waits for others, in milliseconds.
    pub busy_timeout: f64,
    /// How large the file may get, in bytes.
    pub max_size: Option<f64>,
    /// What others are told who wait for this thread.
    pub thread: String,
}

impl ObjectsFlags {
    /// The core's form of the flags.
    fn options(&self) -> ObjectsOptions {
        let heap = HeapOptions {
            create: self.create,
            readonly: self.readonly,
            mode: self.mode,
            durability: if self.group { Durability::Group } else { Durability::Commit },
            busy_timeout: Duration::from_millis(self.busy_timeout as u64),
            max_len: self.max_size.map(|size| size as u64),
            ..HeapOptions::default()
        };
        ObjectsOptions { heap }
    }
}

/// What a store is and has done.
#[napi(object)]
pub struct ObjectsStats {
    /// The file's size, in bytes.
    pub size: f64,
    /// What is needed of it.
    pub used: f64,
    /// What can be used.
    pub free: f64,
    /// How many snapshots are open.
    pub snapshots: f64,
    /// What only they need.
    pub pinned: f64,
    /// What the log has.
    pub log: f64,
    /// How many transactions there were.
    pub commits: f64,
    /// How often one waited for the log.
    pub waits: f64,
}

/// What a check finds.
#[napi(object)]
pub struct ObjectsFindings {
    /// How many containers there are.
    pub containers: f64,
    /// How many entries they have.
    pub entries: f64,
    /// What is damaged.
    pub damage: Vec<String>,
}

/// Opens a store, or makes one; its handle.
#[napi(catch_unwind)]
pub fn objects_open(env: &Env, path: Uint8ArraySlice<'_>, flags: ObjectsFlags) -> napi::Result<f64> {
    pmem::heap::name_thread(&flags.thread);
    keep(env, Session::open(&path_of(&path), &flags.options()), |_, handle| handle)
}

/// The store as it is now; its handle.
#[napi(catch_unwind)]
pub fn objects_snapshot(env: &Env, handle: f64) -> napi::Result<f64> {
    let snapshot = with(env, handle, Session::snapshot)?;
    keep(env, Ok(snapshot), |_, handle| handle)
}

/// What of a store is sound and what is not.
#[napi(catch_unwind)]
pub fn objects_check(env: &Env, path: Uint8ArraySlice<'_>) -> napi::Result<ObjectsFindings> {
    let report = Session::check_file(&path_of(&path)).cross(env)?;
    Ok(ObjectsFindings { containers: report.containers as f64, entries: report.entries as f64, damage: report.damage })
}

/// The version that the program gave the store.
#[napi(catch_unwind)]
pub fn objects_version(env: &Env, handle: f64) -> napi::Result<u32> {
    with(env, handle, Session::version)
}

/// Takes what the last hot call gave and the staging area had no room for.
#[napi(catch_unwind)]
pub fn objects_taken(env: &Env) -> napi::Result<Buffer> {
    Ok(state::of::<Calls>(env)?.take().into())
}

/// What a store is and has done.
#[napi(catch_unwind)]
pub fn objects_stats(env: &Env, handle: f64) -> napi::Result<ObjectsStats> {
    let stats = with(env, handle, Session::stats)?;
    Ok(ObjectsStats {
        size: stats.size as f64,
        used: stats.used as f64,
        free: stats.free as f64,
        snapshots: stats.snapshots as f64,
        pinned: stats.pinned as f64,
        log: stats.log as f64,
        commits: stats.commits as f64,
        waits: stats.waits as f64,
    })
}

/// Calls JavaScript from any thread, and keeps no event loop alive.
type Waker = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Has a function called when there is news of a watched container and was none.
#[napi(catch_unwind, ts_args_type = "handle: number, callback: () => void")]
pub fn objects_on_news(env: &Env, handle: f64, callback: Waker) -> napi::Result<()> {
    with(env, handle, |session: &Session| {
        session.on_news(Box::new(move || {
            callback.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }));
        Ok(())
    })
}

/// What is changed in a container is news from now on, or is not any more.
#[napi(catch_unwind)]
pub fn objects_watch(env: &Env, handle: f64, id: f64, watch: bool) -> napi::Result<()> {
    with(env, handle, |session: &Session| {
        if watch {
            session.watch(id as u64)
        } else {
            session.unwatch(id as u64)
        }
        Ok(())
    })
}

/// What was changed in watched containers since the last call.
#[napi(catch_unwind)]
pub fn objects_news(env: &Env, handle: f64) -> napi::Result<Buffer> {
    with(env, handle, |session: &Session| {
        let mut news = Vec::new();
        session.news(&mut news);
        Ok(news.into())
    })
}

/// Makes all that was committed durable.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn objects_flush(env: &Env, handle: f64) -> napi::Result<AsyncTask<Flush>> {
    with(env, handle, |session: &Session| Ok(AsyncTask::new(Flush::new(session))))
}

/// Makes all that was committed durable, on return.
#[napi(catch_unwind)]
pub fn objects_flush_now(env: &Env, handle: f64) -> napi::Result<()> {
    with(env, handle, |session: &Session| session.helper().flush())
}

/// Waits until nobody changes the store, for what is left of its time to wait.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn objects_wait(env: &Env, handle: f64, elapsed: f64) -> napi::Result<AsyncTask<Wait>> {
    let elapsed = Duration::from_millis(elapsed as u64);
    with(env, handle, |session: &Session| Ok(AsyncTask::new(Wait::new(session, elapsed))))
}

/// Frees what nobody can reach; how many containers it were.
#[napi(catch_unwind, ts_return_type = "Promise<number>")]
pub fn objects_collect(env: &Env, handle: f64) -> napi::Result<AsyncTask<Collect>> {
    with(env, handle, |session: &Session| Ok(AsyncTask::new(Collect::new(session))))
}

/// Copies the store as it is now.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn objects_backup(env: &Env, handle: f64, path: Uint8ArraySlice<'_>) -> napi::Result<AsyncTask<Backup>> {
    let path = path_of(&path);
    with(env, handle, |session: &Session| Ok(AsyncTask::new(Backup::new(session, path))))
}

/// Drops the handle. An unknown one is closed already.
#[napi(catch_unwind)]
pub fn objects_close(env: &Env, handle: f64) -> napi::Result<()> {
    opened::take::<Session>(env, handle)?.map_or(Ok(()), Session::close).cross(env)
}
