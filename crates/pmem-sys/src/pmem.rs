//! libpmem: mapping, flushing and copying persistent memory.

use libc::{c_char, c_int, c_uint, c_void, mode_t, size_t};

/// Major version of the libpmem interface declared here.
pub const PMEM_MAJOR_VERSION: c_uint = 1;
/// Minor version of the libpmem interface declared here.
pub const PMEM_MINOR_VERSION: c_uint = 1;

/// Smallest part, in bytes, that a pool set may have.
pub const PMEM_MIN_PART: size_t = 2 << 20;

/// [`pmem_map_file`] creates the file if it does not exist, and sets its length.
pub const PMEM_FILE_CREATE: c_int = 1 << 0;
/// With [`PMEM_FILE_CREATE`], [`pmem_map_file`] fails if the file exists.
pub const PMEM_FILE_EXCL: c_int = 1 << 1;
/// With [`PMEM_FILE_CREATE`], [`pmem_map_file`] does not allocate the file's blocks.
pub const PMEM_FILE_SPARSE: c_int = 1 << 2;
/// With [`PMEM_FILE_CREATE`], [`pmem_map_file`] makes an unnamed file in the folder that the path names.
pub const PMEM_FILE_TMPFILE: c_int = 1 << 3;

/// The copy does not wait for its flushes: a [`pmem_drain`] must follow.
pub const PMEM_F_MEM_NODRAIN: c_uint = 1 << 0;
/// The copy uses stores that bypass the cache, where it can; excludes [`PMEM_F_MEM_TEMPORAL`].
pub const PMEM_F_MEM_NONTEMPORAL: c_uint = 1 << 1;
/// The copy uses ordinary stores.
pub const PMEM_F_MEM_TEMPORAL: c_uint = 1 << 2;
/// The copy combines its writes; excludes [`PMEM_F_MEM_WB`] and, on x86-64, [`PMEM_F_MEM_NOFLUSH`].
pub const PMEM_F_MEM_WC: c_uint = 1 << 3;
/// The copy goes through the cache and is written back; on x86-64, the same as [`PMEM_F_MEM_TEMPORAL`].
pub const PMEM_F_MEM_WB: c_uint = 1 << 4;
/// The copy does not flush: the caller flushes the range.
pub const PMEM_F_MEM_NOFLUSH: c_uint = 1 << 5;
/// All flags that [`pmem_memmove`], [`pmem_memcpy`] and [`pmem_memset`] know.
pub const PMEM_F_MEM_VALID_FLAGS: c_uint = PMEM_F_MEM_NODRAIN
    | PMEM_F_MEM_NONTEMPORAL
    | PMEM_F_MEM_TEMPORAL
    | PMEM_F_MEM_WC
    | PMEM_F_MEM_WB
    | PMEM_F_MEM_NOFLUSH;

unsafe extern "C" {
    /// Maps a file, or creates and maps it, and says how long the mapping is and whether it is persistent memory.
    ///
    /// `flags` are `PMEM_FILE_*`; the two out-pointers may be null. Returns null on failure.
    pub fn pmem_map_file(
        path: *const c_char,
        len: size_t,
        flags: c_int,
        mode: mode_t,
        mapped_lenp: *mut size_t,
        is_pmemp: *mut c_int,
    ) -> *mut c_void;

    /// Removes a mapping that [`pmem_map_file`] made. Returns 0, or -1 on failure.
    pub fn pmem_unmap(addr: *mut c_void, len: size_t) -> c_int;

    /// Returns 1 if the whole range is persistent memory, which CPU flushes alone make durable, otherwise 0.
    pub fn pmem_is_pmem(addr: *const c_void, len: size_t) -> c_int;

    /// Makes stores to a range of persistent memory durable: a flush, then a drain.
    pub fn pmem_persist(addr: *const c_void, len: size_t);

    /// Makes stores to any mapped range durable with `msync`. Returns 0, or -1 on failure.
    pub fn pmem_msync(addr: *const c_void, len: size_t) -> c_int;

    /// Returns 1 if the machine flushes CPU caches itself when power fails, 0 if not, -1 on failure.
    pub fn pmem_has_auto_flush() -> c_int;

    /// Starts writing a range from the CPU caches to persistent memory; a [`pmem_drain`] waits for it.
    pub fn pmem_flush(addr: *const c_void, len: size_t);

    /// Like [`pmem_flush`], even where the caches are known to be flushed on power failure.
    pub fn pmem_deep_flush(addr: *const c_void, len: size_t);

    /// Waits for [`pmem_deep_flush`] and writes out the memory controller's queues. Returns 0, or -1 on failure.
    pub fn pmem_deep_drain(addr: *const c_void, len: size_t) -> c_int;

    /// [`pmem_deep_flush`], then [`pmem_deep_drain`]. Returns 0, or -1 on failure.
    pub fn pmem_deep_persist(addr: *const c_void, len: size_t) -> c_int;

    /// Waits until everything that this thread flushed is durable.
    pub fn pmem_drain();

    /// Returns 1 if the CPU has an instruction that drains persistent memory, otherwise 0.
    pub fn pmem_has_hw_drain() -> c_int;

    /// Copies to persistent memory durably; the ranges may overlap. Returns the destination.
    pub fn pmem_memmove_persist(pmemdest: *mut c_void, src: *const c_void, len: size_t) -> *mut c_void;

    /// Copies to persistent memory durably. Returns the destination.
    pub fn pmem_memcpy_persist(pmemdest: *mut c_void, src: *const c_void, len: size_t) -> *mut c_void;

    /// Fills persistent memory with a byte, durably. Returns the destination.
    pub fn pmem_memset_persist(pmemdest: *mut c_void, c: c_int, len: size_t) -> *mut c_void;

    /// Like [`pmem_memmove_persist`] without the drain. Returns the destination.
    pub fn pmem_memmove_nodrain(pmemdest: *mut c_void, src: *const c_void, len: size_t) -> *mut c_void;

    /// Like [`pmem_memcpy_persist`] without the drain. Returns the destination.
    pub fn pmem_memcpy_nodrain(pmemdest: *mut c_void, src: *const c_void, len: size_t) -> *mut c_void;

    /// Like [`pmem_memset_persist`] without the drain. Returns the destination.
    pub fn pmem_memset_nodrain(pmemdest: *mut c_void, c: c_int, len: size_t) -> *mut c_void;

    /// Copies to persistent memory as the `PMEM_F_MEM_*` flags say; the ranges may overlap. Returns the destination.
    pub fn pmem_memmove(pmemdest: *mut c_void, src: *const c_void, len: size_t, flags: c_uint) -> *mut c_void;

    /// Copies to persistent memory as the `PMEM_F_MEM_*` flags say. Returns the destination.
    pub fn pmem_memcpy(pmemdest: *mut c_void, src: *const c_void, len: size_t, flags: c_uint) -> *mut c_void;

    /// Fills persistent memory with a byte as the `PMEM_F_MEM_*` flags say. Returns the destination.
    pub fn pmem_memset(pmemdest: *mut c_void, c: c_int, len: size_t, flags: c_uint) -> *mut c_void;

    /// Returns null if the linked libpmem has the interface asked for, otherwise a message that says why not.
    pub fn pmem_check_version(major_required: c_uint, minor_required: c_uint) -> *const c_char;

    /// Returns the message of this thread's last libpmem failure.
    pub fn pmem_errormsg() -> *const c_char;
}
