//! The seam under all that reaches a file: each store to mapped persistent memory, each cache line written back, each
//! fence, write, sync, size and name of ours passes through here.
//!
//! These functions are what they wrap. In tests, and with the cargo feature `recorder`, a thread may have a [`recorder`]
//! behind them, which knows what a crash after each of them can leave, and can stop or fail any.

#[cfg(any(test, feature = "recorder"))]
#[allow(dead_code, reason = "the tests of this crate and those in JavaScript have a part each for themselves")]
pub(crate) mod recorder;
#[cfg(not(any(test, feature = "recorder")))]
#[path = "seam/unrecorded.rs"]
mod recorder;

use std::fs::File;
use std::io;
use std::path::Path;

use super::{errno, file};

/// Stores to `len` mapped bytes at `start`, through the processor's caches.
#[inline(always)]
pub(crate) fn store<R>(start: *mut u8, len: usize, perform: impl FnOnce() -> R) -> Option<R> {
    recorder::store(start as usize, len, false, perform)
}

/// Stores to `len` mapped bytes at `start`, past the caches: the next fence makes them durable.
#[inline(always)]
pub(crate) fn stream(start: *mut u8, len: usize, perform: impl FnOnce()) {
    let _ = recorder::store(start as usize, len, true, perform);
}

/// Starts writing the cache lines of `len` bytes at `start` back: the next fence of this thread makes them durable.
#[inline(always)]
pub(crate) fn write_back(start: *const u8, len: usize, perform: impl FnOnce()) {
    recorder::write_back(start as usize, len);
    perform();
}

/// Waits for this thread's stores past the caches, and for the lines that it started to write back.
#[inline(always)]
pub(crate) fn fence(perform: impl FnOnce()) {
    recorder::fence();
    perform();
}

/// Synchronises the pages of `len` mapped bytes at `start`.
pub(crate) fn msync(start: *const u8, len: usize, perform: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if let Some(synced) = recorder::msync(start as usize, len) {
        return synced;
    }
    perform()
}

/// Tells of a mapping.
#[inline]
pub(crate) fn mapped(start: *const u8, len: usize, file: file::Descriptor<'_>, offset: u64) {
    recorder::mapped(start as usize, len, file, offset);
}

/// Tells that a mapping is gone.
#[inline]
pub(crate) fn unmapped(start: *const u8) {
    recorder::unmapped(start as usize);
}

/// Writes all of `data` at `offset`, which no crash before the file's next sync has to keep.
pub(crate) fn pwrite(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    if let Some(written) = recorder::pwrite(file, data, offset) {
        return written;
    }
    file::write_all_at(file, data, offset)
}

/// Makes all that was written to the file durable, and its size.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    if let Some(synced) = recorder::sync(file) {
        return synced;
    }
    file::synced(file, file.sync_data())
}

/// [`sync_data`], and everything else that is known of the file.
pub(crate) fn sync_all(file: &File) -> io::Result<()> {
    if let Some(synced) = recorder::sync(file) {
        return synced;
    }
    file::synced(file, file.sync_all())
}

/// Makes the file `size` bytes long.
pub(crate) fn resize(file: &File, size: u64) -> io::Result<()> {
    file.set_len(size)?;
    recorder::resized(file, size);
    Ok(())
}

/// Gives a file a name, by what `perform` does; [`named`] tells which.
pub(crate) fn name<R>(perform: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    recorder::check_goes_on()?;
    perform()
}

/// [`name`], for a file that is there already.
pub(crate) fn link(perform: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    recorder::check_link()?;
    name(perform)
}

/// Tells that `file` has the name `path` now.
#[inline]
pub(crate) fn named(path: &Path, file: &File) {
    recorder::named(path, file);
}

/// Gives `file` the name `to` in place of `from`.
pub(crate) fn rename(from: &Path, to: &Path, file: &File) -> io::Result<()> {
    name(|| std::fs::rename(from, to))?;
    recorder::renamed(from, to, file);
    Ok(())
}

/// Takes the name `path` away from its file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    recorder::check_goes_on()?;
    errno::uninterrupted(|| std::fs::remove_file(path))?;
    recorder::removed(path);
    Ok(())
}

/// Makes the names in `folder` durable, by what `perform` does. False where that cannot be done.
pub(crate) fn sync_folder(folder: &Path, perform: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
    if let Some(synced) = recorder::sync_folder(folder) {
        return synced;
    }
    perform()
}
