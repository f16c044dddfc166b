//! A log that is read here, and that another process may write.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::LogEngine;
use crate::nvml::format::log::{DATA_START, WRITE_OFFSET};
use crate::os::fault::FaultFlag;
use crate::os::{byte_locks, deliberate, errno};
use crate::storage::beside::{Cover, Place};
use crate::storage::medium::Medium;
use crate::{Error, Result};

/// A readonly log. Its data is read in the reader's place alone, and below a write offset that is durable.
///
/// A writer stores the write offset before it makes that durable, and after the data, which is durable by then. So whoever
/// finds a new offset makes it durable, and the data with it, before it tells of it.
pub(crate) struct LogOfOthers<M> {
    medium: M,
    place: Place,
    end: u64,
    /// The write offset as far as it is durable.
    tail: AtomicU64,
    /// The cover under which `tail` was found, if nothing changes under it.
    settled: Mutex<Settled>,
    path: PathBuf,
}

#[derive(Default)]
struct Settled {
    under: Option<Cover>,
    /// Whether a sync failed. The system tells of each failure once: another sync would prove nothing.
    failed: bool,
}

impl<M: Medium> LogOfOthers<M> {
    /// The log on `medium`, which was validated: its data may reach to `end`.
    pub(crate) fn new(medium: M, place: Place, end: u64, path: &Path) -> Self {
        let (tail, settled) = (AtomicU64::new(DATA_START), Mutex::default());
        Self { medium, place, end, tail, settled, path: path.to_path_buf() }
    }

    /// Finds out how far the log goes.
    fn catch_up(&self, syscall: &'static str) -> Result<u64> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.tail.load(Ordering::Acquire);
        if settled.under.is_some() && settled.under == self.place.quiet() {
            return Ok(before);
        }
        let (found, cover) = self.place.read(syscall, |cover| (self.medium.load_long(WRITE_OFFSET), cover))?;
        if found > before {
            self.sync(&mut settled, syscall)?;
        }
        if !(before..=self.end).contains(&found) && !deliberate::is_on("beside: shorter log read on") {
            return Err(Error::os(errno::EAGAIN, syscall, Some(&self.path)).with_hint(
                "the log is shorter than it was: another program has rewound it, so close it and open it again",
            ));
        }
        settled.under = Some(cover).filter(|cover| cover.is_quiet());
        self.tail.store(found, Ordering::Release);
        Ok(found)
    }

    fn sync(&self, settled: &mut Settled, syscall: &'static str) -> Result<()> {
        if !byte_locks::AVAILABLE || deliberate::is_on("beside: offset not synced") {
            return Ok(());
        }
        let failed = |error| Error::io(&error, syscall, Some(&self.path));
        if !settled.failed {
            return self
                .medium
                .sync_loaded(WRITE_OFFSET, 8)
                .map_err(failed)
                .inspect_err(|_| settled.failed = !deliberate::is_on("beside: failed sync forgotten"));
        }
        let refused = Error::os(errno::EIO, syscall, Some(&self.path));
        Err(refused.with_hint("making what was read durable failed: close the log and open it again"))
    }
}

impl<M: Medium> LogEngine for LogOfOthers<M> {
    fn capacity(&self) -> u64 {
        self.end - DATA_START
    }

    fn tell(&self) -> Result<u64> {
        Ok(self.catch_up("pmemlog_tell")? - DATA_START)
    }

    fn look(&self) -> Result<u64> {
        if self.place.make_room() {
            return self.tell();
        }
        Ok(self.tail.load(Ordering::Acquire) - DATA_START)
    }

    fn append(&self, _: &[&[u8]]) -> Result<()> {
        Err(Error::os(errno::EROFS, "pmemlog_append", Some(&self.path)))
    }

    fn read(&self, offset: u64, target: &mut [u8]) -> Result<usize> {
        const SYSCALL: &str = "pmemlog_walk";
        let start = DATA_START + offset.min(self.capacity());
        let wanted = start.saturating_add(target.len() as u64);
        let mut tail = self.tail.load(Ordering::Acquire);
        if wanted > tail {
            tail = self.catch_up(SYSCALL)?;
        }
        let count = usize::try_from(tail.saturating_sub(start)).unwrap_or(usize::MAX).min(target.len());
        self.place.read(SYSCALL, |_| self.medium.load(start, &mut target[..count]))?;
        Ok(count)
    }

    fn rewind(&self) -> Result<()> {
        Err(Error::os(errno::EROFS, "pmemlog_rewind", Some(&self.path)))
    }

    fn takes_turns(&self) -> bool {
        false
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.medium.fault_flag()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
