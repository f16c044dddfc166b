//! What stands behind the seam where there is no recorder: nothing.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::os::file::Descriptor;

#[inline(always)]
pub(super) fn store<R>(_: usize, _: usize, _: bool, perform: impl FnOnce() -> R) -> Option<R> {
    Some(perform())
}

#[inline(always)]
pub(super) fn write_back(_: usize, _: usize) {}

#[inline(always)]
pub(super) fn fence() {}

#[inline(always)]
pub(super) fn msync(_: usize, _: usize) -> Option<io::Result<()>> {
    None
}

#[inline(always)]
pub(super) fn mapped(_: usize, _: usize, _: Descriptor<'_>, _: u64) {}

#[inline(always)]
pub(super) fn unmapped(_: usize) {}

#[inline(always)]
pub(super) fn pwrite(_: &File, _: &[u8], _: u64) -> Option<io::Result<()>> {
    None
}

#[inline(always)]
pub(super) fn sync(_: &File) -> Option<io::Result<()>> {
    None
}

#[inline(always)]
pub(super) fn resized(_: &File, _: u64) {}

#[inline(always)]
pub(super) fn check_goes_on() -> io::Result<()> {
    Ok(())
}

#[inline(always)]
pub(super) fn check_link() -> io::Result<()> {
    Ok(())
}

#[inline(always)]
pub(super) fn named(_: &Path, _: &File) {}

#[inline(always)]
pub(super) fn renamed(_: &Path, _: &Path, _: &File) {}

#[inline(always)]
pub(super) fn removed(_: &Path) {}

#[inline(always)]
pub(super) fn sync_folder(_: &Path) -> Option<io::Result<bool>> {
    None
}
