//! The locks of a map, and what of it may not be durable.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::padded::{Padded, thread_number};
use crate::nvml::format::btt::LANES;
use crate::storage::medium::Range;

/// How many map entries share a cache line, and therefore a lock.
const ENTRIES: u32 = 64 / 4;

/// A map entry that a thread wrote, and that is durable with the next barrier of that thread.
#[derive(Clone, Copy)]
pub(super) struct Unfenced {
    at: u64,
    thread: usize,
}

impl Unfenced {
    /// The entry that lies at `at`, which this thread has just written.
    pub(super) fn by_this_thread(at: u64) -> Self {
        Self { at, thread: thread_number() }
    }

    /// What this thread has to make durable before it relies on the entry: nothing of its own.
    pub(super) fn of_another_thread(self) -> Option<Range> {
        (self.thread != thread_number()).then_some(self.range())
    }

    pub(super) fn range(self) -> Range {
        (self.at, 4)
    }
}

/// Locks over the lines of a map, which lie in it by turns. Each has the entry that was written last under it: whoever writes
/// another one makes that durable.
pub(super) struct Stripes(Vec<Padded<Mutex<Option<Unfenced>>>>);

impl Stripes {
    pub(super) fn new() -> Self {
        Self((0..LANES).map(|_| Padded::default()).collect())
    }

    /// Keeps others from changing the map entry of `block`.
    pub(super) fn lock(&self, block: u32) -> MutexGuard<'_, Option<Unfenced>> {
        let line = (block / ENTRIES) as usize;
        self.0[line % self.0.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
