//! The log engine of this crate.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FULL, LogEngine};
use crate::nvml::format::log::{DATA_START, WRITE_OFFSET};
use crate::os::fault::FaultFlag;
use crate::os::{deliberate, errno};
use crate::storage::medium::{Failed, Medium};
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

    /// How many bytes the log holds.
    fn held(&self) -> u64 {
        self.tail.load(Ordering::Acquire) - DATA_START
    }

    /// Writes durably. Where making it durable fails the log is marked as failed.
    fn commit(&self, writer: &mut Writer, writes: &[(u64, &[u8])], syscall: &'static str) -> Result<()> {
        self.medium.commit(writes, &[]).map_err(|failed| {
            writer.failed = matches!(failed, Failed::Sync(_)) && !deliberate::is_on("log: failed sync forgotten");
            Error::io(&failed.into_error(), syscall, Some(&self.path))
        })
    }

    /// Moves the write offset, durably. Where that fails it is put back, for what a reopening sees in the page cache.
    fn publish(&self, writer: &mut Writer, tail: u64, syscall: &'static str) -> Result<()> {
        if deliberate::is_on("log: shown before it is durable") {
            self.tail.store(tail, Ordering::Release);
        }
        self.commit(writer, &[(WRITE_OFFSET, &tail.to_le_bytes())], syscall).inspect_err(|_| {
            let before = self.tail.load(Ordering::Relaxed);
            if !deliberate::is_on("log: failed offset left there") {
                let _ = self.medium.write(WRITE_OFFSET, &before.to_le_bytes());
            }
        })?;
        self.tail.store(tail, Ordering::Release);
        Ok(())
    }
}

impl<M: Medium> LogEngine for RustLog<M> {
    fn capacity(&self) -> u64 {
        self.end - DATA_START
    }

    fn tell(&self) -> Result<u64> {
        Ok(self.held())
    }

    fn append(&self, parts: &[&[u8]]) -> Result<()> {
        const SYSCALL: &str = "pmemlog_append";
        let mut writer = self.writer(SYSCALL)?;
        let start = self.tail.load(Ordering::Relaxed);
        let len = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if len > self.end - start {
            return Err(Error::os(errno::ENOSPC, SYSCALL, Some(&self.path)).with_hint(FULL));
        }
        match parts {
            _ if deliberate::is_on("log: offset before data") => {
                in_a_row(start, parts).iter().try_for_each(|(at, part)| self.medium.write(*at, part)).ok();
            }
            [part] => self.commit(&mut writer, &[(start, part)], SYSCALL)?,
            parts => self.commit(&mut writer, &in_a_row(start, parts), SYSCALL)?,
        }
        self.publish(&mut writer, start + len, SYSCALL)
    }

    fn read(&self, offset: u64, target: &mut [u8]) -> Result<usize> {
        loop {
            let rewinds = self.rewinds.load(Ordering::Acquire);
            let rest = self.held().saturating_sub(offset);
            let count = usize::try_from(rest).unwrap_or(usize::MAX).min(target.len());
            self.medium.load(DATA_START + offset.min(self.capacity()), &mut target[..count]);
            std::sync::atomic::fence(Ordering::Acquire);
            if self.rewinds.load(Ordering::Relaxed) == rewinds {
                return Ok(count);
            }
        }
    }

    fn rewind(&self) -> Result<()> {
        const SYSCALL: &str = "pmemlog_rewind";
        let mut writer = self.writer(SYSCALL)?;
        self.publish(&mut writer, DATA_START, SYSCALL)?;
        // After the new write offset, and before an append, which needs the writer: so a reader that copies what is
        // being overwritten took the old offset, and finds this raised.
        if !deliberate::is_on("log: rewinds not counted") {
            self.rewinds.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    fn takes_turns(&self) -> bool {
        !self.medium.is_concurrent()
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.medium.fault_flag()
    }
}

/// The parts with their offsets, one behind the other.
fn in_a_row<'a>(start: u64, parts: &[&'a [u8]]) -> Vec<(u64, &'a [u8])> {
    let mut end = start;
    let place = |part: &&'a [u8]| {
        end += part.len() as u64;
        (end - part.len() as u64, *part)
    };
    parts.iter().map(place).collect()
}

#[cfg(test)]
mod tests;
