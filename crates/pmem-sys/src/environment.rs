//! The environment, of which libpmemlog and libpmemblk read their configuration when they are loaded.

use libc::c_char;

unsafe extern "C" {
    /// The environment variable that a library has not seen when it was loaded, since its value is no configuration and would
    /// have ended the process; null for none. `start` is what the names of its variables start with: `PMEMLOG_` or `PMEMBLK_`.
    pub fn pmem_sys_invalid_variable(start: *const c_char) -> *const c_char;
}
