//! libpmemblk: an array of atomically written blocks in a file.

use core::marker::{PhantomData, PhantomPinned};
use libc::{c_char, c_int, c_longlong, c_uint, c_void, mode_t, size_t};

/// Major version of the libpmemblk interface declared here.
pub const PMEMBLK_MAJOR_VERSION: c_uint = 1;
/// Minor version of the libpmemblk interface declared here.
pub const PMEMBLK_MINOR_VERSION: c_uint = 1;

/// Smallest block pool in bytes: the smallest block translation table and the pages before it.
pub const PMEMBLK_MIN_POOL: size_t = (16 << 20) + if cfg!(target_arch = "powerpc64") { 128 << 10 } else { 8 << 10 };
/// Smallest part, in bytes, of a block pool that is a pool set.
pub const PMEMBLK_MIN_PART: size_t = 2 << 20;
/// Smallest size in bytes that a block takes up; smaller blocks are accepted and rounded up to it.
pub const PMEMBLK_MIN_BLK: size_t = 512;

/// An open block pool; the library alone knows its layout.
#[repr(C)]
pub struct PMEMblkpool {
    _data: [u8; 0],
    _marker: PhantomData<(*mut u8, PhantomPinned)>,
}

unsafe extern "C" {
    /// Returns null if the linked libpmemblk has the interface asked for, otherwise a message that says why not.
    pub fn pmemblk_check_version(major_required: c_uint, minor_required: c_uint) -> *const c_char;

    /// Opens an existing block pool; a block size other than 0 must be the pool's. Returns null on failure.
    pub fn pmemblk_open(path: *const c_char, bsize: size_t) -> *mut PMEMblkpool;

    /// Creates a block pool and opens it; a pool size of 0 takes over an existing file that starts with zeros.
    ///
    /// Returns null on failure.
    pub fn pmemblk_create(path: *const c_char, bsize: size_t, poolsize: size_t, mode: mode_t) -> *mut PMEMblkpool;

    /// Returns 1 if the block pool, which must not be open, is consistent, 0 if it is not, -1 if that cannot be told.
    ///
    /// A block size other than 0 must be the pool's.
    pub fn pmemblk_check(path: *const c_char, bsize: size_t) -> c_int;

    /// Closes a block pool; its pointer is dangling afterwards.
    pub fn pmemblk_close(pbp: *mut PMEMblkpool);

    /// Returns the size of a block in bytes.
    pub fn pmemblk_bsize(pbp: *mut PMEMblkpool) -> size_t;

    /// Returns how many blocks the pool has.
    pub fn pmemblk_nblock(pbp: *mut PMEMblkpool) -> size_t;

    /// Reads a block; one that was never written is zeros. Returns 0, or -1 on failure.
    pub fn pmemblk_read(pbp: *mut PMEMblkpool, buf: *mut c_void, blockno: c_longlong) -> c_int;

    /// Writes a block atomically; it is durable on return. Returns 0, or -1 on failure.
    pub fn pmemblk_write(pbp: *mut PMEMblkpool, buf: *const c_void, blockno: c_longlong) -> c_int;

    /// Makes a block read as zeros, without writing them. Returns 0, or -1 on failure.
    pub fn pmemblk_set_zero(pbp: *mut PMEMblkpool, blockno: c_longlong) -> c_int;

    /// Makes reads of a block fail with `EIO` until it is written. Returns 0, or -1 on failure.
    pub fn pmemblk_set_error(pbp: *mut PMEMblkpool, blockno: c_longlong) -> c_int;

    /// Replaces the allocator that libpmemblk uses; to be called before any other function.
    pub fn pmemblk_set_funcs(
        malloc_func: Option<unsafe extern "C" fn(size: size_t) -> *mut c_void>,
        free_func: Option<unsafe extern "C" fn(ptr: *mut c_void)>,
        realloc_func: Option<unsafe extern "C" fn(ptr: *mut c_void, size: size_t) -> *mut c_void>,
        strdup_func: Option<unsafe extern "C" fn(s: *const c_char) -> *mut c_char>,
    );

    /// Returns the message of this thread's last libpmemblk failure.
    pub fn pmemblk_errormsg() -> *const c_char;

    /// Reads the setting `name` into `arg`; a null pool means the whole process. Returns 0, or -1 on failure.
    pub fn pmemblk_ctl_get(pbp: *mut PMEMblkpool, name: *const c_char, arg: *mut c_void) -> c_int;

    /// Changes the setting `name` to `arg`; a null pool means the whole process. Returns 0, or -1 on failure.
    pub fn pmemblk_ctl_set(pbp: *mut PMEMblkpool, name: *const c_char, arg: *mut c_void) -> c_int;

    /// Runs the action `name` with `arg`; a null pool means the whole process. Returns 0, or -1 on failure.
    pub fn pmemblk_ctl_exec(pbp: *mut PMEMblkpool, name: *const c_char, arg: *mut c_void) -> c_int;
}
