//! The locks of a map.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::padded::Padded;
use crate::nvml::format::btt::LANES;

/// How many map entries share a cache line, and therefore a lock.
const ENTRIES: u32 = 64 / 4;

/// Locks over the lines of a map, which lie in it by turns.
pub(super) struct Stripes(Vec<Padded<Mutex<()>>>);

impl Stripes {
    pub(super) fn new() -> Self {
        Self((0..LANES).map(|_| Padded::default()).collect())
    }

    /// Keeps others from changing the map entry of `block`.
    pub(super) fn lock(&self, block: u32) -> MutexGuard<'_, ()> {
        let line = (block / ENTRIES) as usize;
        self.0[line % self.0.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
