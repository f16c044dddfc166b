//! The log engine of the NVM Library: libpmemlog.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

use nix::libc::iovec;
use pmem_sys::{
    PMEMlogpool, pmemlog_append, pmemlog_appendv, pmemlog_close, pmemlog_create, pmemlog_nbyte, pmemlog_open,
    pmemlog_rewind, pmemlog_tell, pmemlog_walk,
};

use super::environment::{self, Library};
use super::watch::watch_pool;
use crate::nvml::log::{CREATE, FULL, LogEngine};
use crate::nvml::pool::library_path;
use crate::os::errno;
use crate::os::fault::{FaultFlag, Watch};
use crate::os::file::{self, Made};
use crate::storage::lock::Locked;
use crate::{Error, Result};

/// An open `PMEMlogpool`. The library locks around each of its functions.
pub(crate) struct PmdkLog {
    pool: NonNull<PMEMlogpool>,
    path: PathBuf,
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
        let pool = unsafe { pmemlog_create(name.as_ptr(), 0, 0) };
        Self::opened(pool, made.file(), path, CREATE)
    }

    /// Opens the log in `file`, which was validated. Its lock is handed over to the library.
    pub(crate) fn open(file: Locked, path: &Path, syscall: &'static str) -> Result<Self> {
        environment::check(Library::Log, path, syscall)?;
        let file = file.release(path, syscall)?;
        let name = library_path(&file, path, syscall)?;
        // SAFETY: the path is a C string.
        let pool = unsafe { pmemlog_open(name.as_ptr()) };
        Self::opened(pool, &file, path, syscall)
    }

    fn opened(pool: *mut PMEMlogpool, file: &File, path: &Path, syscall: &'static str) -> Result<Self> {
        let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
        let pool = NonNull::new(pool).ok_or_else(|| failed(io::Error::last_os_error()))?;
        let size = file::size_of(file).map_err(failed)?;
        // SAFETY: the library names a pool by the address of its first byte.
        let watch = unsafe { watch_pool(pool.as_ptr().cast(), size, Arc::default()) };
        Ok(Self { pool, path: path.to_path_buf(), watch })
    }
}

impl PmdkLog {
    /// What the library says of one append of all parts.
    fn append_all(&self, parts: &[&[u8]]) -> Result<c_int> {
        let parts: Vec<iovec> =
            parts.iter().map(|part| iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() }).collect();
        let count = c_int::try_from(parts.len()).map_err(|_| {
            Error::os(errno::EINVAL, "pmemlog_appendv", Some(&self.path)).with_hint("these are too many parts")
        })?;
        // SAFETY: the pool is open until drop; each part is readable for its length.
        Ok(unsafe { pmemlog_appendv(self.pool.as_ptr(), parts.as_ptr(), count) })
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
            [part] => unsafe { pmemlog_append(self.pool.as_ptr(), part.as_ptr().cast(), part.len()) },
            parts => self.append_all(parts)?,
        };
        if appended == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        let refused = Error::io(&error, "pmemlog_append", Some(&self.path));
        Err(if errno::of(&error) == errno::ENOSPC { refused.with_hint(FULL) } else { refused })
    }

    fn read(&self, offset: u64, target: &mut [u8]) -> Result<usize> {
        let mut request = Request { offset, target, copied: 0 };
        // SAFETY: the pool is open until drop; the walk calls back once, before it returns, with the request.
        unsafe { pmemlog_walk(self.pool.as_ptr(), 0, Some(copy), (&raw mut request).cast()) };
        Ok(request.copied)
    }

    fn rewind(&self) -> Result<()> {
        // SAFETY: the pool is open until drop.
        unsafe { pmemlog_rewind(self.pool.as_ptr()) };
        Ok(())
    }

    /// The library takes its own locks.
    fn takes_turns(&self) -> bool {
        false
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.watch.flag()
    }
}

impl Drop for PmdkLog {
    fn drop(&mut self) {
        // SAFETY: the pool is open, and nothing uses it after this.
        unsafe { pmemlog_close(self.pool.as_ptr()) };
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
