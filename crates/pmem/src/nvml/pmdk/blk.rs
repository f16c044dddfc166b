//! The block engine of the NVM Library: libpmemblk.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pmem_sys::{
    PMEMblkpool, pmemblk_close, pmemblk_create, pmemblk_open, pmemblk_read, pmemblk_set_error, pmemblk_set_zero,
    pmemblk_write,
};

use super::environment::{self, Library};
use super::syncs::{self, Syncs};
use super::watch::watch_pool;
use crate::nvml::blk::{BlockEngine, CREATE, OPEN};
use crate::nvml::format::Invalid;
use crate::nvml::format::btt::{Layout, Pool as Format};
use crate::nvml::pool::library_path;
use crate::os::fault::{FaultFlag, Watch};
use crate::os::file::{self, Made, descriptor, write_zeros};
use crate::os::mapping::{Access, Mapping};
use crate::os::seam;
use crate::storage::lock::Locked;
use crate::{Error, Result};

const WRITE: &str = "pmemblk_write";

/// An open array of the NVM Library.
pub(crate) struct PmdkBlocks {
    pool: Handle,
    path: PathBuf,
    syncs: Syncs,
    layout: Layout,
    /// The library's file once more, for its maps.
    file: File,
    mapping: Mapping,
    /// Outlives the library's mapping, which it stores to as it closes. It has the other mapping's flag.
    _watch: Watch,
    laid_out: AtomicBool,
    laying_out: Mutex<()>,
}

/// An open `PMEMblkpool`. The library locks inside each of its functions.
struct Handle(NonNull<PMEMblkpool>);

// SAFETY: libpmemblk allows calls on one pool from any thread at once.
unsafe impl Send for Handle {}
// SAFETY: as for Send.
unsafe impl Sync for Handle {}

impl Handle {
    fn new((pool, synced): (*mut PMEMblkpool, io::Result<()>), path: &Path, syscall: &'static str) -> Result<Self> {
        let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
        let pool = NonNull::new(pool).map(Self).ok_or_else(|| failed(io::Error::last_os_error()))?;
        synced.map_err(failed)?;
        Ok(pool)
    }

    fn as_ptr(&self) -> *mut PMEMblkpool {
        self.0.as_ptr()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the pool is open, and nothing uses it after this.
        let _ = syncs::watched(|| unsafe { pmemblk_close(self.0.as_ptr()) });
    }
}

impl PmdkBlocks {
    /// Makes an array in a file whose first page is zero.
    pub(crate) fn create(
        made: &Made,
        path: &Path,
        block_size: u32,
        read: impl FnOnce(&File) -> Result<Format>,
    ) -> Result<Self> {
        environment::check(Library::Blk, path, CREATE)?;
        let name = library_path(made.file(), path, CREATE)?;
        // SAFETY: the path is a C string; size 0 takes the file as it is.
        let pool = syncs::watched(|| unsafe { pmemblk_create(name.as_ptr(), block_size as usize, 0, 0) });
        let pool = Handle::new(pool, path, CREATE)?;
        let format = read(made.file())?;
        Self::new(pool, made.file(), &format, path, CREATE)
    }

    /// Opens the array in `file`, which was validated. Its lock is handed over to the library.
    pub(crate) fn open(file: Locked, path: &Path, format: &Format, syscall: &'static str) -> Result<Self> {
        format.check_first_infos().map_err(|damage| Invalid::from(damage).into_error(syscall, Some(path)))?;
        environment::check(Library::Blk, path, syscall)?;
        let file = file.release(path, syscall)?;
        let name = library_path(&file, path, syscall)?;
        // SAFETY: the path is a C string; block size 0 takes the pool's.
        let pool = syncs::watched(|| unsafe { pmemblk_open(name.as_ptr(), 0) });
        Self::new(Handle::new(pool, path, syscall)?, &file, format, path, syscall)
    }

    fn new(pool: Handle, file: &File, format: &Format, path: &Path, syscall: &'static str) -> Result<Self> {
        let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
        let file = file.try_clone().map_err(failed)?;
        let size = file::size_of(&file).map_err(failed)?;
        let len = usize::try_from(size).ok().and_then(NonZeroUsize::new).ok_or(io::ErrorKind::FileTooLarge);
        let len = len.map_err(|kind| failed(kind.into()))?;
        let mapping = Mapping::new(descriptor(&file), 0, len, Access::Read).map_err(failed)?;
        // SAFETY: the library names a pool by the address of its first byte.
        let watch = unsafe { watch_pool(pool.as_ptr().cast(), size, mapping.fault_flag()) };
        let (laid_out, laying_out) = (AtomicBool::new(format.is_laid_out()), Mutex::new(()));
        let (path, layout) = (path.to_path_buf(), format.layout);
        let syncs = Syncs::of(&path, mapping.is_pmem());
        Ok(Self { pool, path, syncs, layout, file, mapping, _watch: watch, laid_out, laying_out })
    }

    /// Zeroes the maps before the first change lays the array out: the library forgets whether it has to when another
    /// pool is opened in between.
    fn prepare(&self) -> Result<()> {
        let _laying_out = self.laying_out.lock().unwrap_or_else(PoisonError::into_inner);
        if self.laid_out.load(Ordering::Acquire) {
            return Ok(());
        }
        for extent in self.layout.iter() {
            let map = extent.map();
            let zeroed = write_zeros(&self.file, map.start, map.end - map.start);
            zeroed.map_err(|error| Error::io(&error, WRITE, Some(&self.path)))?;
            seam::sync_data(&self.file).map_err(|error| self.syncs.fail(&error, WRITE))?;
        }
        self.laid_out.store(true, Ordering::Release);
        Ok(())
    }

    /// Changes a block by a function of the library.
    fn change(&self, index: u64, syscall: &'static str, call: impl FnOnce() -> c_int) -> Result<()> {
        if !self.laid_out.load(Ordering::Acquire) {
            self.prepare()?;
        }
        self.check_entry(index)?;
        self.outcome(self.syncs.change(syscall, call)?, syscall)
    }

    /// That the map entry of a block is one: the library goes wherever it says.
    fn check_entry(&self, index: u64) -> Result<()> {
        let Some((arena, block)) = self.layout.locate(index) else { return Ok(()) };
        let extent = self.layout.arena(arena);
        let entry = self.mapping.word(extent.map_entry(block)).load(Ordering::SeqCst);
        let checked = extent.decode_entry(block, u32::from_le(entry));
        checked.map_err(|damage| Invalid::from(damage).into_error(OPEN, Some(&self.path)))?;
        if self.mapping.is_faulted() { Err(Error::Fault { path: Some(self.path.clone()) }) } else { Ok(()) }
    }

    fn outcome(&self, result: c_int, syscall: &'static str) -> Result<()> {
        if result == 0 {
            return Ok(());
        }
        Err(Error::io(&io::Error::last_os_error(), syscall, Some(&self.path)))
    }
}

impl BlockEngine for PmdkBlocks {
    fn read(&self, index: u64, target: &mut [u8]) -> Result<()> {
        if self.laid_out.load(Ordering::Acquire) {
            self.check_entry(index)?;
        }
        // SAFETY: the pool is open until drop, and the target is one block long.
        let result = unsafe { pmemblk_read(self.pool.as_ptr(), target.as_mut_ptr().cast(), index as i64) };
        self.outcome(result, "pmemblk_read")
    }

    fn write(&self, index: u64, data: &[u8]) -> Result<()> {
        // SAFETY: the pool is open until drop, and the data is one block long.
        self.change(index, WRITE, || unsafe { pmemblk_write(self.pool.as_ptr(), data.as_ptr().cast(), index as i64) })
    }

    fn set_zero(&self, index: u64) -> Result<()> {
        // SAFETY: the pool is open until drop.
        self.change(index, "pmemblk_set_zero", || unsafe { pmemblk_set_zero(self.pool.as_ptr(), index as i64) })
    }

    fn set_error(&self, index: u64) -> Result<()> {
        // SAFETY: the pool is open until drop.
        self.change(index, "pmemblk_set_error", || unsafe { pmemblk_set_error(self.pool.as_ptr(), index as i64) })
    }

    /// The library takes its own locks.
    fn takes_turns(&self) -> bool {
        false
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.mapping.fault_flag()
    }
}
