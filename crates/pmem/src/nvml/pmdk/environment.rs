//! The libraries' configuration, which comes from the environment.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::path::Path;

use pmem_sys::pmem_sys_invalid_variable;

use crate::os::errno;
use crate::{Error, Result};

/// A library of the two.
#[derive(Clone, Copy)]
pub(super) enum Library {
    Log,
    Blk,
}

/// That the library had a configuration that it can read when it was loaded, or none.
pub(super) fn check(library: Library, path: &Path, syscall: &'static str) -> Result<()> {
    let start = match library {
        Library::Log => c"PMEMLOG_",
        Library::Blk => c"PMEMBLK_",
    };
    // SAFETY: the start is a C string.
    let invalid = unsafe { pmem_sys_invalid_variable(start.as_ptr()) };
    if invalid.is_null() {
        return Ok(());
    }
    // SAFETY: what is not null is a name that lives as long as the program.
    let name = unsafe { CStr::from_ptr(invalid) };
    Err(Error::os(errno::EINVAL, syscall, Some(path)).with_hint(match name.to_bytes() {
        b"PMEMLOG_CONF" => "when the program started, the environment variable PMEMLOG_CONF was none of name=value;name=value",
        b"PMEMBLK_CONF" => "when the program started, the environment variable PMEMBLK_CONF was none of name=value;name=value",
        b"PMEMLOG_CONF_FILE" => "when the program started, the environment variable PMEMLOG_CONF_FILE named no file of name=value;name=value",
        _ => "when the program started, the environment variable PMEMBLK_CONF_FILE named no file of name=value;name=value",
    }))
}
