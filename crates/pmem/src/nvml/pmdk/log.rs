//! The log engine of the NVM Library: libpmemlog.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc::iovec;
use pmem_sys::{
    PMEMlogpool, pmemlog_append, pmemlog_appendv, pmemlog_close, pmemlog_create, pmemlog_nbyte, pmemlog_open,
    pmemlog_rewind, pmemlog_tell, pmemlog_walk,
};

use super::environment::{self, Library};
use super::syncs::{self, Syncs};
use super::watch::watch_pool;
use crate::nvml::format::log::WRITE_OFFSET;
use crate::nvml::log::{CREATE, FULL, LogEngine};
use crate::nvml::pool::library_path;
use crate::os::errno;
use crate::os::fault::{FaultFlag, Watch};
use crate::os::file::{self, Made};
use crate::os::mapping::is_on_pmem;
use crate::storage::lock::Locked;
use crate::{Error, Result};

/// An open `PMEMlogpool`. The library locks around each of its functions.
pub(crate) struct PmdkLog {
    pool: NonNull<PMEMlogpool>,
    path: PathBuf,
    syncs: Syncs,
    /// Outlives the library's mapping, which it stores to as it closes.
    watch: Watch,
}

// SAFETY: libpmemlog allows calls on one pool from any thread at once.
unsafe impl Send for PmdkLog {}
// SAFETY: as for Send.
unsafe impl Sync for PmdkLog {}

impl PmdkLog {
    /// Makes a log in a file whose first page is zero.
    pub(crate) fn create(made: &Made, path: &Path) -> Result<Self> {
        environment::check(Library::Log, path, CREATE)?;
        let name = library_path(made.file(), path, CREATE)?;
        // SAFETY: the path is a C string; size 0 takes the file as it is.
        let pool = syncs::watched(|| unsafe { pmemlog_create(name.as_ptr(), 0, 0) });
        Self::opened(pool, made.file(), path, CREATE)
    }

    /// Opens the log in `file`, which was validated. Its lock is handed over to the library.
    pub(crate) fn open(file: Locked, path: &Path, syscall: &'static str) -> Result<Self> {
        environment::check(Library::Log, path, syscall)?;
        let file = file.release(path, syscall)?;
        let name = library_path(&file, path, syscall)?;
        // SAFETY: the path is a C string.
        let pool = syncs::watched(|| unsafe { pmemlog_open(name.as_ptr()) });
        Self::opened(pool, &file, path, syscall)
    }

    fn opened(
        (pool, synced): (*mut PMEMlogpool, io::Result<()>),
        file: &File,
        path: &Path,
        syscall: &'static str,
    ) -> Result<Self> {
        let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
        let pool = NonNull::new(pool).ok_or_else(|| failed(io::Error::last_os_error()))?;
        let size = file::size_of(file).map_err(failed)?;
        // SAFETY: the library names a pool by the address of its first byte.
        let watch = unsafe { watch_pool(pool.as_ptr().cast(), size, Arc::default()) };
        let log = Self { pool, path: path.to_path_buf(), syncs: Syncs::of(path, is_on_pmem(file)), watch };
        synced.map_err(failed)?;
        Ok(log)
    }
}

impl PmdkLog {
    /// Calls a function that moves the write offset. Where it could not be made durable that is put back, for what a
    /// reopening sees in the page cache.
    fn change<R>(&self, syscall: &'static str, call: impl FnOnce() -> R) -> Result<R> {
        let before = self.write_offset().load(Ordering::Relaxed);
        self.syncs.change(syscall, call).inspect_err(|_| self.write_offset().store(before, Ordering::Relaxed))
    }

    /// The library changes it under a lock of its own; on page-cache files one change at a time is under way.
    fn write_offset(&self) -> &AtomicU64 {
        // SAFETY: the library maps a pool from its first byte on, until drop, with an aligned integer there.
        unsafe { AtomicU64::from_ptr(self.pool.as_ptr().cast::<u8>().add(WRITE_OFFSET as usize).cast()) }
    }

    /// What the library says of one append of all parts.
    fn append_all(&self, parts: &[&[u8]]) -> Result<c_int> {
        let parts: Vec<iovec> =
            parts.iter().map(|part| iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() }).collect();
        let count = c_int::try_from(parts.len()).map_err(|_| {
            Error::os(errno::EINVAL, "pmemlog_appendv", Some(&self.path)).with_hint("these are too many parts")
        })?;
        // SAFETY: the pool is open until drop; each part is readable for its length.
        self.change("pmemlog_appendv", || unsafe { pmemlog_appendv(self.pool.as_ptr(), parts.as_ptr(), count) })
    }
}

impl LogEngine for PmdkLog {
    fn capacity(&self) -> u64 {
        // SAFETY: the pool is open until drop.
        unsafe { pmemlog_nbyte(self.pool.as_ptr()) as u64 }
    }

    fn tell(&self) -> Result<u64> {
        // SAFETY: the pool is open until drop.
        let told = unsafe { pmemlog_tell(self.pool.as_ptr()) };
        Ok(u64::try_from(told).unwrap_or(0))
    }

    fn append(&self, parts: &[&[u8]]) -> Result<()> {
        let appended = match parts {
            // SAFETY: the pool is open until drop; the part is readable for its length.
            [part] => self.change("pmemlog_append", || unsafe {
                pmemlog_append(self.pool.as_ptr(), part.as_ptr().cast(), part.len())
            })?,
            parts => self.append_all(parts)?,
        };
        if appended == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        Err(Error::io(&error, "pmemlog_append", Some(&self.path)).with_hint_on(errno::ENOSPC, FULL))
    }

    fn read(&self, offset: u64, target: &mut [u8]) -> Result<usize> {
        let mut request = Request { offset, target, copied: 0 };
        // SAFETY: the pool is open until drop; the walk calls back once, before it returns, with the request.
        unsafe { pmemlog_walk(self.pool.as_ptr(), 0, Some(copy), (&raw mut request).cast()) };
        Ok(request.copied)
    }

    fn rewind(&self) -> Result<()> {
        // SAFETY: the pool is open until drop.
        self.change("pmemlog_rewind", || unsafe { pmemlog_rewind(self.pool.as_ptr()) })
    }

    /// The library takes its own locks, but a change that fails must not take another one's back.
    fn takes_turns(&self) -> bool {
        self.syncs.are_needed()
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.watch.flag()
    }
}

impl Drop for PmdkLog {
    fn drop(&mut self) {
        // SAFETY: the pool is open, and nothing uses it after this.
        let _ = syncs::watched(|| unsafe { pmemlog_close(self.pool.as_ptr()) });
    }
}

/// A read in progress. The library has only a walk over everything, under a lock that keeps rewinds out.
struct Request<'target> {
    offset: u64,
    target: &'target mut [u8],
    copied: usize,
}

unsafe extern "C" fn copy(data: *const c_void, len: usize, request: *mut c_void) -> c_int {
    // SAFETY: `read` passes its own request, which nothing else uses meanwhile.
    let request = unsafe { &mut *request.cast::<Request<'_>>() };
    let Some(rest) = usize::try_from(request.offset).ok().and_then(|offset| len.checked_sub(offset)) else { return 0 };
    let count = rest.min(request.target.len());
    // SAFETY: the log has `len` readable bytes from `data`, and `count` of them lie behind the offset.
    unsafe { data.cast::<u8>().add(len - rest).copy_to_nonoverlapping(request.target.as_mut_ptr(), count) };
    request.copied = count;
    0
}
