//! The log engine of this crate.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{FULL, LogEngine};
use crate::nvml::format::log::{DATA_START, WRITE_OFFSET};
use crate::os::errno;
use crate::storage::medium::Medium;
use crate::{Error, Result};

/// A log on a medium. Data below the write offset never changes but by a rewind, so reading takes no lock.
pub(crate) struct RustLog<M> {
    medium: M,
    end: u64,
    /// The write offset, once it is durable.
    tail: AtomicU64,
    /// How often data was given up for being overwritten.
    rewinds: AtomicU64,
    writer: Mutex<Writer>,
    path: PathBuf,
}

/// Whoever changes the log.
#[derive(Default)]
struct Writer {
    /// Whether a sync failed. What is durable is unknown then, so nothing more may be acknowledged.
    failed: bool,
}

impl<M: Medium> RustLog<M> {
    /// The log on `medium`, which was validated: its data may reach to `end`, and reaches to `tail`.
    pub(crate) fn new(medium: M, end: u64, tail: u64, path: &Path) -> Self {
        let (tail, rewinds) = (AtomicU64::new(tail), AtomicU64::new(0));
        Self { medium, end, tail, rewinds, writer: Mutex::default(), path: path.to_path_buf() }
    }

    fn writer(&self, syscall: &'static str) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if !writer.failed {
            return Ok(writer);
        }
        let refused = Error::os(errno::EIO, syscall, Some(&self.path));
        Err(refused.with_hint("making an earlier change durable failed: close the log and open it again"))
    }

    /// Makes a range durable, or marks the log as failed.
    fn sync(&self, writer: &mut Writer, offset: u64, len: u64, syscall: &'static str) -> Result<()> {
        self.medium.sync(offset, len).map_err(|error: io::Error| {
            writer.failed = true;
            Error::io(&error, syscall, Some(&self.path))
        })
    }

    /// Moves the write offset, durably. Where that fails it is put back, for what a reopening sees in the page cache.
    fn publish(&self, writer: &mut Writer, tail: u64, syscall: &'static str) -> Result<()> {
        self.medium.store_u64(WRITE_OFFSET, tail);
        self.sync(writer, WRITE_OFFSET, 8, syscall)
            .inspect_err(|_| self.medium.store_u64(WRITE_OFFSET, self.tail.load(Ordering::Relaxed)))?;
        self.tail.store(tail, Ordering::Release);
        Ok(())
    }
}

impl<M: Medium> LogEngine for RustLog<M> {
    fn capacity(&self) -> u64 {
        self.end - DATA_START
    }

    fn tell(&self) -> u64 {
        self.tail.load(Ordering::Acquire) - DATA_START
    }

    fn append(&self, parts: &[&[u8]]) -> Result<()> {
        const SYSCALL: &str = "pmemlog_append";
        let mut writer = self.writer(SYSCALL)?;
        let start = self.tail.load(Ordering::Relaxed);
        let len = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if len > self.end - start {
            return Err(Error::os(errno::ENOSPC, SYSCALL, Some(&self.path)).with_hint(FULL));
        }
        let mut offset = start;
        for part in parts {
            self.medium.store(offset, part);
            offset += part.len() as u64;
        }
        self.sync(&mut writer, start, len, SYSCALL)?;
        self.publish(&mut writer, start + len, SYSCALL)
    }

    fn read(&self, offset: u64, target: &mut [u8]) -> usize {
        loop {
            let rewinds = self.rewinds.load(Ordering::Acquire);
            let rest = self.tell().saturating_sub(offset);
            let count = usize::try_from(rest).unwrap_or(usize::MAX).min(target.len());
            self.medium.load(DATA_START + offset.min(self.capacity()), &mut target[..count]);
            std::sync::atomic::fence(Ordering::Acquire);
            if self.rewinds.load(Ordering::Relaxed) == rewinds {
                return count;
            }
        }
    }

    fn rewind(&self) -> Result<()> {
        const SYSCALL: &str = "pmemlog_rewind";
        let mut writer = self.writer(SYSCALL)?;
        self.publish(&mut writer, DATA_START, SYSCALL)?;
        // After the new write offset, and before an append, which needs the writer: so a reader that copies what is
        // being overwritten took the old offset, and finds this raised.
        self.rewinds.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn is_faulted(&self) -> bool {
        self.medium.is_faulted()
    }
}

#[cfg(test)]
mod tests;
