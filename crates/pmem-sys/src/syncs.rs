//! Syncs that fail within a call of libpmemlog or libpmemblk, which would end the process.

use libc::c_int;

unsafe extern "C" {
    /// From now on the `msync` of this thread never seems to fail, and after the first that does none is done.
    pub fn pmem_sys_watch_syncs();

    /// Ends that. The `errno` of the `msync` that failed, 0 for none.
    pub fn pmem_sys_end_watch() -> c_int;
}
