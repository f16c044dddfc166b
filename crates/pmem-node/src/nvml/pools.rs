//! What the pools of all modules have in common: how they are made, opened and closed.

use napi::Env;
use napi_derive::napi;
use pmem::{Engine, NewPool, OpenOptions, Ticket};

use crate::shared::opened::{self, Kind, with};
use crate::shared::pending::Pending;
use crate::shared::state;

/// An open pool, to which work can be put off.
pub(super) trait Pool: Kind {
    fn settle(&self);
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
    pub(super) fn new_pool(&self) -> pmem::Result<NewPool> {
        let engine = Engine::named(&self.engine)?;
        Ok(NewPool { size: self.size as u64, mode: self.mode, sparse: self.sparse, engine })
    }
}

/// The core's form of how a pool is opened.
pub(super) fn open_options(engine: &str, readonly: bool) -> pmem::Result<OpenOptions> {
    Ok(OpenOptions { engine: Engine::named(engine)?, readonly })
}

/// Keeps the ticket of what was put off, for whoever waits for the queue.
pub(super) fn enqueue<T: Pool>(
    env: &Env,
    handle: f64,
    queue: f64,
    enqueue: impl FnOnce(&T) -> pmem::Result<Ticket>,
) -> napi::Result<()> {
    let ticket = with(env, handle, enqueue)?;
    state::of::<Pending>(env)?.add(queue, ticket);
    Ok(())
}

/// Finishes what was put off and drops the handle. An unknown one is closed already.
pub(super) fn close<T: Pool>(env: &Env, handle: f64) -> napi::Result<()> {
    if let Some(pool) = opened::take::<T>(env, handle)? {
        pool.settle();
    }
    Ok(())
}
