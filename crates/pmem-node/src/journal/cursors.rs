//! Cursors, and the locks of those who consume by them.

use std::cell::RefCell;

use napi::Env;
use napi_derive::napi;
use pmem::{Journal, JournalCursorLock};

use crate::shared::handles::Handles;
use crate::shared::opened::with;
use crate::shared::state::{self, PerEnvironment};

/// The locks that an environment holds.
struct Locks(RefCell<Handles<JournalCursorLock>>);

impl PerEnvironment for Locks {
    fn new(_: &Env) -> napi::Result<Self> {
        Ok(Self(RefCell::default()))
    }
}

/// The names of the cursors.
#[napi(catch_unwind)]
pub fn journal_cursors(env: &Env, handle: f64) -> napi::Result<Vec<String>> {
    with(env, handle, Journal::cursors)
}

/// A cursor's position; undefined for one that was never committed.
#[napi(catch_unwind, ts_return_type = "number | undefined")]
pub fn journal_cursor(env: &Env, handle: f64, name: String) -> napi::Result<Option<f64>> {
    with(env, handle, |journal: &Journal| Ok(journal.cursor(&name)?.map(|position| position as f64)))
}

/// Moves a cursor, durably; back only by force.
#[napi(catch_unwind)]
pub fn journal_commit_cursor(env: &Env, handle: f64, name: String, position: f64, force: bool) -> napi::Result<f64> {
    with(env, handle, |journal: &Journal| Ok(journal.commit_cursor(&name, position as u64, force)? as f64))
}

/// Removes a cursor, durably.
#[napi(catch_unwind)]
pub fn journal_delete_cursor(env: &Env, handle: f64, name: String) -> napi::Result<()> {
    with(env, handle, |journal: &Journal| journal.delete_cursor(&name))
}

/// Keeps others from consuming by a cursor; gives the lock's number.
#[napi(catch_unwind)]
pub fn journal_lock_cursor(env: &Env, handle: f64, name: String) -> napi::Result<f64> {
    let lock = with(env, handle, |journal: &Journal| journal.lock_cursor(&name))?;
    Ok(state::of::<Locks>(env)?.0.borrow_mut().insert(lock))
}

/// Gives a lock back. An unknown one is given back already.
#[napi(catch_unwind)]
pub fn journal_unlock_cursor(env: &Env, lock: f64) -> napi::Result<()> {
    let _released = state::of::<Locks>(env)?.0.borrow_mut().take(lock);
    Ok(())
}
