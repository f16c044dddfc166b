//! Locks by `LockFile`. They bind also who does not ask for them, so they are on bytes far behind the end of every file, which
//! nobody reads.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::ERROR_LOCK_VIOLATION;
use windows_sys::Win32::Storage::FileSystem::{LockFile, UnlockFile};

use super::Byte;

/// The upper half of a locked byte's offset.
const FAR: u32 = 1 << 30;

pub(super) fn try_lock(file: &File, byte: Byte) -> io::Result<bool> {
    // SAFETY: the handle is open during the call.
    if unsafe { LockFile(file.as_raw_handle(), byte as u32, FAR, 1, 0) } != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(ERROR_LOCK_VIOLATION as i32) { Ok(false) } else { Err(error) }
}

pub(super) fn unlock(file: &File, byte: Byte) {
    // SAFETY: as above.
    unsafe { UnlockFile(file.as_raw_handle(), byte as u32, FAR, 1, 0) };
}
