//! libpmemlog: an append-only log in a file.

use core::marker::{PhantomData, PhantomPinned};
use libc::{c_char, c_int, c_longlong, c_uint, c_void, iovec, mode_t, size_t};

/// Major version of the libpmemlog interface declared here.
pub const PMEMLOG_MAJOR_VERSION: c_uint = 1;
/// Minor version of the libpmemlog interface declared here.
pub const PMEMLOG_MINOR_VERSION: c_uint = 1;

/// Smallest log pool in bytes.
pub const PMEMLOG_MIN_POOL: size_t = 2 << 20;
/// Smallest part, in bytes, of a log pool that is a pool set.
pub const PMEMLOG_MIN_PART: size_t = 2 << 20;

/// An open log pool; the library alone knows its layout.
#[repr(C)]
pub struct PMEMlogpool {
    _data: [u8; 0],
    _marker: PhantomData<(*mut u8, PhantomPinned)>,
}

unsafe extern "C" {
    /// Returns null if the linked libpmemlog has the interface asked for, otherwise a message that says why not.
    pub fn pmemlog_check_version(major_required: c_uint, minor_required: c_uint) -> *const c_char;

    /// Opens an existing log pool. Returns null on failure.
    pub fn pmemlog_open(path: *const c_char) -> *mut PMEMlogpool;

    /// Creates a log pool and opens it; a size of 0 takes over an existing file that starts with zeros.
    ///
    /// Returns null on failure.
    pub fn pmemlog_create(path: *const c_char, poolsize: size_t, mode: mode_t) -> *mut PMEMlogpool;

    /// Returns 1 if the log pool, which must not be open, is consistent, 0 if it is not, -1 if that cannot be told.
    pub fn pmemlog_check(path: *const c_char) -> c_int;

    /// Closes a log pool; its pointer is dangling afterwards.
    pub fn pmemlog_close(plp: *mut PMEMlogpool);

    /// Returns how many bytes a log holds when it is full.
    pub fn pmemlog_nbyte(plp: *mut PMEMlogpool) -> size_t;

    /// Appends bytes atomically; they are durable on return. Returns 0, or -1 on failure.
    pub fn pmemlog_append(plp: *mut PMEMlogpool, buf: *const c_void, count: size_t) -> c_int;

    /// Appends several parts as one atomic append; they are durable on return. Returns 0, or -1 on failure.
    pub fn pmemlog_appendv(plp: *mut PMEMlogpool, iov: *const iovec, iovcnt: c_int) -> c_int;

    /// Returns how many bytes the log holds now, or -1 on failure.
    pub fn pmemlog_tell(plp: *mut PMEMlogpool) -> c_longlong;

    /// Empties the log.
    pub fn pmemlog_rewind(plp: *mut PMEMlogpool);

    /// Calls back with the log's content, in chunks of `chunksize` bytes or, with 0, all at once.
    ///
    /// The walk ends at the end of the log or when the callback returns 0. The pool is locked meanwhile: the callback
    /// must neither append to it nor rewind it, and must not unwind.
    pub fn pmemlog_walk(
        plp: *mut PMEMlogpool,
        chunksize: size_t,
        process_chunk: Option<unsafe extern "C" fn(buf: *const c_void, len: size_t, arg: *mut c_void) -> c_int>,
        arg: *mut c_void,
    );

    /// Replaces the allocator that libpmemlog uses; to be called before any other function.
    pub fn pmemlog_set_funcs(
        malloc_func: Option<unsafe extern "C" fn(size: size_t) -> *mut c_void>,
        free_func: Option<unsafe extern "C" fn(ptr: *mut c_void)>,
        realloc_func: Option<unsafe extern "C" fn(ptr: *mut c_void, size: size_t) -> *mut c_void>,
        strdup_func: Option<unsafe extern "C" fn(s: *const c_char) -> *mut c_char>,
    );

    /// Returns the message of this thread's last libpmemlog failure.
    pub fn pmemlog_errormsg() -> *const c_char;

    /// Reads the setting `name` into `arg`; a null pool means the whole process. Returns 0, or -1 on failure.
    pub fn pmemlog_ctl_get(plp: *mut PMEMlogpool, name: *const c_char, arg: *mut c_void) -> c_int;

    /// Changes the setting `name` to `arg`; a null pool means the whole process. Returns 0, or -1 on failure.
    pub fn pmemlog_ctl_set(plp: *mut PMEMlogpool, name: *const c_char, arg: *mut c_void) -> c_int;

    /// Runs the action `name` with `arg`; a null pool means the whole process. Returns 0, or -1 on failure.
    pub fn pmemlog_ctl_exec(plp: *mut PMEMlogpool, name: *const c_char, arg: *mut c_void) -> c_int;
}
