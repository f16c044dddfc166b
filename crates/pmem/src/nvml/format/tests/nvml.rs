//! The formats against the NVM Library's own log and block libraries, and against `pmempool check`.
#![allow(unsafe_code)]

mod blk;
mod damaged;
mod log;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

use pmem_sys as sys;

/// Held while the library has a pool open or `pmempool` runs. The block library remembers process-wide whether the pool
/// that it opened last was over zeros, and a process that is started meanwhile inherits the lock on an open pool.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A folder in memory where there is one: the block library's first write synchronises 500 times.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn message(text: *const std::ffi::c_char) -> String {
    // SAFETY: the libraries return a string that lives as long as the thread, after a failure on it.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A log pool that the NVM Library has open.
struct CLog {
    pool: *mut sys::PMEMlogpool,
    _alone: MutexGuard<'static, ()>,
}

impl CLog {
    fn create(path: &Path, size: usize) -> Result<Self, String> {
        let alone = alone();
        // SAFETY: the path is a C string.
        Self::opened(unsafe { sys::pmemlog_create(c_path(path).as_ptr(), size, 0o600) }, alone)
    }

    fn open(path: &Path) -> Result<Self, String> {
        let alone = alone();
        // SAFETY: the path is a C string.
        Self::opened(unsafe { sys::pmemlog_open(c_path(path).as_ptr()) }, alone)
    }

    fn opened(pool: *mut sys::PMEMlogpool, alone: MutexGuard<'static, ()>) -> Result<Self, String> {
        if !pool.is_null() {
            return Ok(Self { pool, _alone: alone });
        }
        // SAFETY: the call has no preconditions.
        Err(message(unsafe { sys::pmemlog_errormsg() }))
    }

    fn capacity(&self) -> u64 {
        // SAFETY: the pool is open.
        unsafe { sys::pmemlog_nbyte(self.pool) as u64 }
    }

    fn len(&self) -> u64 {
        // SAFETY: the pool is open.
        unsafe { sys::pmemlog_tell(self.pool) as u64 }
    }

    fn append(&self, data: &[u8]) {
        // SAFETY: the pool is open and the data readable.
        assert_eq!(unsafe { sys::pmemlog_append(self.pool, data.as_ptr().cast(), data.len()) }, 0);
    }

    fn check(path: &Path) -> bool {
        let _alone = alone();
        // SAFETY: the path is a C string.
        unsafe { sys::pmemlog_check(c_path(path).as_ptr()) == 1 }
    }
}

impl Drop for CLog {
    fn drop(&mut self) {
        // SAFETY: the pool is open, and not used afterwards.
        unsafe { sys::pmemlog_close(self.pool) };
    }
}

/// A block pool that the NVM Library has open.
struct CBlk {
    pool: *mut sys::PMEMblkpool,
    _alone: MutexGuard<'static, ()>,
}

impl CBlk {
    fn create(path: &Path, block_size: usize, size: usize) -> Result<Self, String> {
        let alone = alone();
        // SAFETY: the path is a C string.
        Self::opened(unsafe { sys::pmemblk_create(c_path(path).as_ptr(), block_size, size, 0o600) }, alone)
    }

    fn open(path: &Path) -> Result<Self, String> {
        let alone = alone();
        // SAFETY: the path is a C string.
        Self::opened(unsafe { sys::pmemblk_open(c_path(path).as_ptr(), 0) }, alone)
    }

    fn opened(pool: *mut sys::PMEMblkpool, alone: MutexGuard<'static, ()>) -> Result<Self, String> {
        if !pool.is_null() {
            return Ok(Self { pool, _alone: alone });
        }
        // SAFETY: the call has no preconditions.
        Err(message(unsafe { sys::pmemblk_errormsg() }))
    }

    fn block_size(&self) -> u32 {
        // SAFETY: the pool is open.
        unsafe { sys::pmemblk_bsize(self.pool) as u32 }
    }

    fn blocks(&self) -> u64 {
        // SAFETY: the pool is open.
        unsafe { sys::pmemblk_nblock(self.pool) as u64 }
    }

    /// Fills a block with `value`.
    fn write(&self, block: u64, value: u8) {
        let data = vec![value; self.block_size() as usize];
        // SAFETY: the pool is open and the data as long as a block.
        assert_eq!(unsafe { sys::pmemblk_write(self.pool, data.as_ptr().cast(), block as i64) }, 0);
    }

    /// The first byte of a block, of which all are the same; `None` where it is in error.
    fn read(&self, block: u64) -> Option<u8> {
        let mut data = vec![0_u8; self.block_size() as usize];
        // SAFETY: the pool is open and the buffer as long as a block.
        let result = unsafe { sys::pmemblk_read(self.pool, data.as_mut_ptr().cast(), block as i64) };
        assert!(data.iter().all(|byte| *byte == data[0]));
        (result == 0).then_some(data[0])
    }

    fn set_zero(&self, block: u64) {
        // SAFETY: the pool is open.
        assert_eq!(unsafe { sys::pmemblk_set_zero(self.pool, block as i64) }, 0);
    }

    fn set_error(&self, block: u64) {
        // SAFETY: the pool is open.
        assert_eq!(unsafe { sys::pmemblk_set_error(self.pool, block as i64) }, 0);
    }

    fn check(path: &Path) -> bool {
        let _alone = alone();
        // SAFETY: the path is a C string.
        unsafe { sys::pmemblk_check(c_path(path).as_ptr(), 0) == 1 }
    }
}

impl Drop for CBlk {
    fn drop(&mut self) {
        // SAFETY: the pool is open, and not used afterwards.
        unsafe { sys::pmemblk_close(self.pool) };
    }
}

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Whether `pmempool check` finds the pool consistent; `None` where it is not installed.
fn pmempool(path: &Path) -> Option<bool> {
    let _alone = alone();
    let output = Command::new("pmempool").arg("check").arg(path).output();
    match output {
        Ok(output) => Some(output.status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

/// Writes a file that is zeros but for `parts`.
fn file_of(path: PathBuf, size: u64, parts: &[(u64, &[u8])]) -> PathBuf {
    let file = File::create(&path).unwrap();
    file.set_len(size).unwrap();
    for (offset, bytes) in parts {
        file.write_all_at(bytes, *offset).unwrap();
    }
    path
}

/// Numbers that look random and are the same in each run.
struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % end
    }
}
