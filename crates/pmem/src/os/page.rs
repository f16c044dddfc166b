//! The size of a page.
#![cfg_attr(windows, allow(unsafe_code))]

use std::sync::OnceLock;

/// The unit of a mapping's offset in its file, in bytes, a power of two: the size of a page, or on Windows what it calls
/// the allocation granularity, which is larger.
pub(crate) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(offset_unit)
}

#[cfg(unix)]
fn offset_unit() -> usize {
    let asked = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    asked.ok().flatten().and_then(|size| usize::try_from(size).ok()).unwrap_or(4096)
}

#[cfg(windows)]
fn offset_unit() -> usize {
    use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
    let mut info = SYSTEM_INFO::default();
    // SAFETY: the function fills a structure that is writable.
    unsafe { GetSystemInfo(&mut info) };
    info.dwAllocationGranularity as usize
}
