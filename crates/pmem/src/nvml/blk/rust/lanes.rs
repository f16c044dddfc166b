//! The lanes of an arena: as many writes go on at once.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::padded::{Padded, width};
use super::stripes::Unfenced;
use crate::nvml::format::btt::{Entry, Lane};

/// The lanes in use, each under its lock.
pub(super) struct Lanes(Vec<Padded<Mutex<Used>>>);

/// A lane that no one else uses.
pub(super) struct LaneGuard<'a> {
    number: u32,
    lane: MutexGuard<'a, Used>,
}

/// A lane, and what it leaves for its next write to make durable.
struct Used {
    lane: Lane,
    /// The map entry that the last write changed.
    unfenced: Option<Unfenced>,
}

impl Lanes {
    /// As many of an arena's lanes as this machine has a use for, or where writers take turns, one for each write of a turn.
    /// The others keep their slots.
    pub(super) fn new(lanes: &[Lane], is_concurrent: bool) -> Self {
        let count = if is_concurrent { width() } else { lanes.len() };
        let used = |lane: &Lane| Padded(Mutex::new(Used { lane: *lane, unfenced: None }));
        Self(lanes.iter().take(count).map(used).collect())
    }

    /// The map entries that may not be durable yet.
    pub(super) fn unfenced(&self) -> impl Iterator<Item = Unfenced> {
        self.0.iter().filter_map(|lane| lane.lock().ok()?.unfenced)
    }

    /// A free lane near the thread's own, or `own` once it is free. `None` if a thread panicked in it: its state is unknown
    /// then.
    pub(super) fn take(&self, own: usize) -> Option<LaneGuard<'_>> {
        let own = own % self.0.len();
        for number in (own..self.0.len()).chain(0..own) {
            match self.0[number].try_lock() {
                Ok(lane) => return Some(LaneGuard { number: number as u32, lane }),
                Err(TryLockError::Poisoned(_)) => return None,
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let lane = self.0[own].lock().ok()?;
        Some(LaneGuard { number: own as u32, lane })
    }
}

impl LaneGuard<'_> {
    /// The lane's number in its arena.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The map entry that the lane's last write changed, if it may not be durable yet.
    pub(super) fn unfenced(&self) -> Option<Unfenced> {
        self.lane.unfenced
    }

    /// Ends a write, which changed that map entry.
    pub(super) fn advance(&mut self, next: Entry, unfenced: Unfenced) {
        self.lane.lane.advance(next);
        self.lane.unfenced = Some(unfenced);
    }
}

impl Deref for LaneGuard<'_> {
    type Target = Lane;

    fn deref(&self) -> &Lane {
        &self.lane.lane
    }
}
