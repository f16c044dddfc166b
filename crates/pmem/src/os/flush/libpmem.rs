//! Flushing by libpmem.
#![allow(unsafe_code)]

use std::ffi::c_void;

use crate::os::seam;

/// `pmem_flush`: writes the caches of `[start, start + len)` back. The range may be any mapped one.
pub(crate) fn flush(start: *const u8, len: usize) {
    // SAFETY: flushing reads no data, and the callers' range lies in a live mapping.
    seam::write_back(start, len, || unsafe { pmem_sys::pmem_flush(start.cast::<c_void>(), len) });
}

/// `pmem_drain`: waits for earlier flushes.
pub(crate) fn drain() {
    // SAFETY: a fence has no precondition.
    seam::fence(|| unsafe { pmem_sys::pmem_drain() });
}

/// `pmem_memmove` without draining: copies, past the caches where that is faster, and writes caches back.
///
/// # Safety
/// `target` is writable and `source` readable for `len` bytes; they may overlap.
pub(crate) unsafe fn copy(target: *mut u8, source: *const u8, len: usize) {
    seam::stream(target, len, || {
        // SAFETY: as the caller promises.
        unsafe { pmem_sys::pmem_memmove(target.cast(), source.cast(), len, pmem_sys::PMEM_F_MEM_NODRAIN) };
    });
}

/// `pmem_memset` without draining.
///
/// # Safety
/// `target` is writable for `len` bytes.
pub(crate) unsafe fn fill(target: *mut u8, value: u8, len: usize) {
    seam::stream(target, len, || {
        // SAFETY: as the caller promises.
        unsafe { pmem_sys::pmem_memset(target.cast(), i32::from(value), len, pmem_sys::PMEM_F_MEM_NODRAIN) };
    });
}

/// `pmem_has_hw_drain`.
pub(crate) fn has_hw_drain() -> bool {
    // SAFETY: a query without precondition.
    unsafe { pmem_sys::pmem_has_hw_drain() != 0 }
}

/// `pmem_has_auto_flush`; a failed look at the platform counts as no.
pub(crate) fn has_auto_flush() -> bool {
    // SAFETY: a query without precondition.
    unsafe { pmem_sys::pmem_has_auto_flush() == 1 }
}

/// `pmem_check_version`.
pub(crate) fn check_version(major: u32, minor: u32) -> bool {
    // SAFETY: a query without precondition; the text it may return is static.
    unsafe { pmem_sys::pmem_check_version(major, minor).is_null() }
}
