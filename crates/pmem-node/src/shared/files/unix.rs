//! Paths are bytes here, and a descriptor is the kernel's own.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The path whose bytes TypeScript gave.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// A closed descriptor is no different until it is used, which gives EBADF.
///
/// # Safety
///
/// The number is not -1, and the result is used while the call lasts that brought it.
pub(super) unsafe fn borrow<'call>(descriptor: i32) -> Option<BorrowedFd<'call>> {
    // SAFETY: as the caller says.
    Some(unsafe { BorrowedFd::borrow_raw(descriptor) })
}
