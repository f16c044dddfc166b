//! Syncs of an open pool of the NVM Library, on a file in the page cache. Where one fails the library would end the process.
#![allow(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use pmem_sys::{pmem_sys_end_watch, pmem_sys_watch_syncs};

use crate::os::errno;
use crate::{Error, Result};

/// Calls a function of the library, and says also how its syncs went.
pub(super) fn watched<R>(call: impl FnOnce() -> R) -> (R, io::Result<()>) {
    // SAFETY: it concerns syncs of this thread alone, until the end of this function.
    unsafe { pmem_sys_watch_syncs() };
    let result = call();
    // SAFETY: as above.
    let synced = match unsafe { pmem_sys_end_watch() } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    };
    (result, synced)
}

/// Whether what is durable of a pool is known.
pub(super) struct Syncs {
    path: PathBuf,
    /// On persistent memory the library syncs nothing, so that there is nothing to watch.
    is_pmem: bool,
    failed: AtomicBool,
}

impl Syncs {
    pub(super) fn of(path: &Path, is_pmem: bool) -> Self {
        Self { path: path.to_path_buf(), is_pmem, failed: AtomicBool::new(false) }
    }

    /// Whether changes sync anything.
    pub(super) fn are_needed(&self) -> bool {
        !self.is_pmem
    }

    /// Calls a function that changes the pool, unless a sync failed before: the operating system tells of it once.
    ///
    /// # Errors
    /// Of a sync, now or before.
    pub(super) fn change<R>(&self, syscall: &'static str, call: impl FnOnce() -> R) -> Result<R> {
        if self.failed.load(Ordering::Acquire) {
            let refused = Error::os(errno::EIO, syscall, Some(&self.path));
            return Err(refused.with_hint("making an earlier change durable failed: close it and open it again"));
        }
        if self.is_pmem {
            return Ok(call());
        }
        let (result, synced) = watched(call);
        synced.map_err(|error| self.fail(&error, syscall))?;
        Ok(result)
    }

    /// A sync has failed.
    pub(super) fn fail(&self, error: &io::Error, syscall: &'static str) -> Error {
        self.failed.store(true, Ordering::Release);
        Error::io(error, syscall, Some(&self.path))
    }
}
