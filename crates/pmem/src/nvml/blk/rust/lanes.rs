//! The lanes of an arena: as many writes go on at once.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::padded::{Padded, thread_number, width};
use crate::nvml::format::btt::Lane;

/// The lanes in use, each under its lock.
pub(super) struct Lanes(Vec<Padded<Mutex<Lane>>>);

/// A lane that no one else uses.
pub(super) struct LaneGuard<'a> {
    number: u32,
    lane: MutexGuard<'a, Lane>,
}

impl Lanes {
    /// As many of an arena's lanes as this machine has a use for; the others keep their slots.
    pub(super) fn new(lanes: &[Lane]) -> Self {
        Self(lanes.iter().take(width()).map(|lane| Padded(Mutex::new(*lane))).collect())
    }

    /// A free lane, or the thread's own once it is free. `None` if a thread panicked in it: its state is unknown then.
    pub(super) fn take(&self) -> Option<LaneGuard<'_>> {
        let own = thread_number() % self.0.len();
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
}

impl Deref for LaneGuard<'_> {
    type Target = Lane;

    fn deref(&self) -> &Lane {
        &self.lane
    }
}

impl DerefMut for LaneGuard<'_> {
    fn deref_mut(&mut self) -> &mut Lane {
        &mut self.lane
    }
}
