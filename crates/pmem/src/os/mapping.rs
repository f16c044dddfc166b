//! One mapping of a file, and its life: made here, unmapped when its last owner drops it.
#![allow(unsafe_code)]

#[cfg_attr(unix, path = "mapping/unix.rs")]
#[cfg_attr(windows, path = "mapping/windows.rs")]
mod platform;

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::os::fault::{FaultFlag, Watch};
use crate::os::file::Descriptor;
use crate::os::page::page_size;
use crate::os::{deliberate, flush, seam};
use platform::View;
#[cfg(windows)]
pub(crate) use platform::file_id;
pub(crate) use platform::{CAN_COVER, Mapped, advise, cover, has_small_pages, limits, lock, uncover};

/// Whether stores reach the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Stores go to the file.
    Shared,
    /// Stores stay in this mapping: harmless, and lost with it.
    Private,
    /// Nothing may be stored.
    Read,
}

/// What is said of pages to the system, which may read and keep more or less for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Advice {
    /// Nothing.
    #[default]
    Normal,
    /// A use of a page says nothing about its neighbours.
    Random,
    /// Pages are used one after the other, and not again.
    Sequential,
    /// They are used soon.
    WillNeed,
    /// They are not used soon. Stores to them stay, except those to private mappings.
    DontNeed,
}

/// A range of addresses that shows a file's bytes. Dropping it gives the addresses back.
///
/// It hands out an address, not a slice: other processes, threads and JavaScript store into the same bytes.
#[derive(Debug)]
pub struct Mapping {
    /// Ends before the view does, whose addresses may then be someone else's.
    watch: Watch,
    view: View,
    /// How many bytes are used. The view may reach further, past the end of the file, where nobody looks before the file does.
    len: AtomicUsize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and is only reached through raw pointers.
unsafe impl Send for Mapping {}
// SAFETY: as for Send; every method leaves concurrent access to the bytes to its caller.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` from the page-aligned `offset`, readable and writable.
    pub(crate) fn new(file: Descriptor<'_>, offset: u64, len: NonZeroUsize, access: Access) -> io::Result<Self> {
        Self::reserving(file, offset, len, len, access)
    }

    /// [`Mapping::new`] with addresses for a length of up to `most`, which is no less than `len`.
    pub(crate) fn reserving(
        file: Descriptor<'_>,
        offset: u64,
        len: NonZeroUsize,
        most: NonZeroUsize,
        access: Access,
    ) -> io::Result<Self> {
        let mapping = Self::sharing(file, offset, most, access, Arc::default())?;
        mapping.len.store(len.get(), Ordering::Release);
        Ok(mapping)
    }

    /// [`Mapping::new`] of one of several pieces, which have their flag in common: what is lost of any raises it.
    pub(crate) fn sharing(
        file: Descriptor<'_>,
        offset: u64,
        len: NonZeroUsize,
        access: Access,
        flag: Arc<FaultFlag>,
    ) -> io::Result<Self> {
        let view = View::new(file, offset, len, access)?;
        seam::mapped(view.start.as_ptr(), len.get(), file, offset);
        let watch = Watch::over_pages(view.start.as_ptr(), len.get(), view.page(), flag);
        Ok(Self { watch, view, len: AtomicUsize::new(len.get()) })
    }

    /// Sees to it that there are addresses for `len` bytes of `file`, the mapped one, which was mapped from `offset` on. What is
    /// mapped stays where it is.
    ///
    /// # Errors
    /// Where the addresses behind are someone else's.
    pub(crate) fn reserve(&self, file: Descriptor<'_>, offset: u64, len: usize) -> io::Result<()> {
        if self.view.reserve(file, offset, len)? {
            seam::mapped(self.start().as_ptr(), len, file, offset);
            self.watch.extend(len);
        }
        Ok(())
    }

    /// From now on `len` bytes are used, for which there are addresses, and which the file has.
    pub(crate) fn extend(&self, len: usize) {
        debug_assert!(len >= self.len());
        self.len.store(len, Ordering::Release);
    }

    /// Maps the `len` bytes once more that are mapped at `start`, of a file, and with `MAP_SYNC` where `synchronous` says so. What
    /// is lost of either raises `flag`.
    ///
    /// # Safety
    /// The pages stay mapped during the call.
    pub(crate) unsafe fn duplicate(
        start: NonNull<u8>,
        len: NonZeroUsize,
        synchronous: bool,
        flag: Arc<FaultFlag>,
    ) -> io::Result<Self> {
        // SAFETY: the caller's promise.
        let view = unsafe { View::duplicate(start, len, synchronous) }?;
        let watch = Watch::over_pages(view.start.as_ptr(), len.get(), view.page(), flag);
        Ok(Self { watch, view, len: AtomicUsize::new(len.get()) })
    }

    /// Whether a page of it was lost. Then stores to it may not reach the file, and what is read may be zeros.
    #[inline]
    pub(crate) fn is_faulted(&self) -> bool {
        self.watch.is_raised()
    }

    /// Says that pages were lost, where no access has met them.
    pub(crate) fn raise_fault(&self) {
        self.watch.raise();
    }

    /// What tells of lost pages, for other mappings of the same bytes.
    pub(crate) fn fault_flag(&self) -> Arc<FaultFlag> {
        self.watch.flag()
    }

    /// Whether the file takes `MAP_SYNC`, and this mapping has it.
    pub(crate) fn is_synchronous(&self) -> bool {
        self.view.is_synchronous()
    }

    /// The first byte's address.
    pub fn start(&self) -> NonNull<u8> {
        self.view.start
    }

    /// The number of bytes mapped; never 0, and never less than before.
    #[allow(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether flushing caches makes stores durable: the file takes `MAP_SYNC`, or `PMEM_IS_PMEM_FORCE` says so.
    pub(crate) fn is_pmem(&self) -> bool {
        forced_pmem().unwrap_or(self.view.is_synchronous())
    }

    /// Makes the pages that hold `[offset, offset + len)`, a range inside the mapping, durable: `msync(MS_SYNC)`, or
    /// `FlushViewOfFile` and `FlushFileBuffers`. Of a page that is lost it says nothing: [`Mapping::is_faulted`] does
    /// afterwards.
    pub(crate) fn sync(&self, offset: usize, len: usize) -> io::Result<()> {
        debug_assert!(offset + len <= self.len());
        let start = self.start().as_ptr().wrapping_add(offset);
        let synced = seam::msync(start, len, || self.view.sync(offset, len));
        if !deliberate::is_on("mapping: no touch after a sync") {
            self.touch(offset, len);
        }
        synced
    }

    /// Reads a byte of a range's last page. Where the file was cut since the range was stored to, that page is lost, and nothing
    /// else would tell. It is the page's first byte: the last ones have often just been written back from the processor's
    /// cache, and reading them would wait for that.
    #[inline]
    pub(crate) fn touch(&self, offset: usize, len: usize) {
        if len > 0 {
            let page = (offset + len - 1) & !(page_size() - 1);
            // SAFETY: the byte lies in the mapping, which starts at a page.
            unsafe { self.start().as_ptr().add(page).read_volatile() };
        }
    }

    /// The address of a range. One that leaves the mapping is a bug and panics.
    #[inline]
    pub(crate) fn address(&self, offset: u64, len: u64) -> *mut u8 {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len() as u64);
        assert!(inside, "bytes {offset} to {offset} + {len} are outside the mapping");
        self.start().as_ptr().wrapping_add(offset as usize)
    }

    /// Copies out.
    #[inline]
    pub(crate) fn load(&self, offset: u64, target: &mut [u8]) {
        let source = self.address(offset, target.len() as u64);
        // SAFETY: the range was checked, and a mapping never overlaps memory of Rust's.
        unsafe { std::ptr::copy_nonoverlapping(source, target.as_mut_ptr(), target.len()) };
    }

    /// Copies in, past the caches: the next [`drain`](crate::os::flush::drain) of this thread makes it durable.
    pub(crate) fn store(&self, offset: u64, data: &[u8]) {
        let target = self.address(offset, data.len() as u64);
        // SAFETY: the range was checked, and a mapping never overlaps memory of Rust's.
        unsafe { flush::copy(target, data.as_ptr(), data.len()) };
    }

    /// Four aligned bytes.
    #[inline]
    pub(crate) fn word(&self, offset: u64) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4));
        // SAFETY: the range was checked, mappings start at a page, and the integer is only reached atomically.
        unsafe { AtomicU32::from_ptr(self.address(offset, 4).cast()) }
    }

    /// Eight aligned bytes.
    #[inline]
    pub(crate) fn double_word(&self, offset: u64) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8));
        // SAFETY: as for a word.
        unsafe { AtomicU64::from_ptr(self.address(offset, 8).cast()) }
    }

    /// Advises the system about the whole pages of a range of addresses that the mapping has.
    pub(crate) fn advise(&self, advice: Advice, offset: usize, len: usize) -> io::Result<()> {
        let start = self.start().as_ptr().wrapping_add(offset);
        let range = NonNull::new(start).zip(NonZeroUsize::new(len));
        // SAFETY: the pages are this mapping's.
        range.map_or(Ok(()), |(start, len)| unsafe { advise(start, len, advice) })
    }

    /// Brings the pages of a range into memory, where they are read from and written to without a fault.
    pub(crate) fn populate(&self, offset: usize, len: usize) {
        // SAFETY: the pages are this mapping's.
        self.pages(offset, len).into_iter().for_each(|(start, len)| unsafe { populate(start, len) });
    }

    /// Keeps the pages of a range in memory as long as the mapping.
    pub(crate) fn lock(&self, offset: usize, len: usize, access: Access) -> io::Result<()> {
        // SAFETY: the pages are this mapping's.
        self.pages(offset, len).map_or(Ok(()), |(start, len)| unsafe { lock(start, len, access == Access::Private) })
    }

    /// A range of addresses that the mapping has, from the start of its first page on.
    fn pages(&self, offset: usize, len: usize) -> Option<(NonNull<u8>, NonZeroUsize)> {
        let first = offset - offset % page_size();
        let start = NonNull::new(self.start().as_ptr().wrapping_add(first))?;
        Some((start, NonZeroUsize::new(offset + len - first)?))
    }

    /// Puts anonymous zero pages over the mapping. The addresses stay valid until drop, the file is let go.
    ///
    /// Where the kernel refuses, and on Windows, the file stays mapped until drop instead.
    pub(crate) fn disconnect(&self) {
        self.view.disconnect();
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        seam::unmapped(self.start().as_ptr());
    }
}

/// Brings all pages of a range into memory, where they are read from without a fault.
///
/// # Safety
/// The pages are mapped, and watched.
pub(crate) unsafe fn populate(start: NonNull<u8>, len: NonZeroUsize) {
    // SAFETY: the caller's promise.
    if unsafe { platform::populate(start, len) }.is_ok() {
        return;
    }
    for offset in (0..len.get()).step_by(page_size()) {
        // SAFETY: as above.
        unsafe { start.as_ptr().add(offset).read_volatile() };
    }
}

/// What `PMEM_IS_PMEM_FORCE` says: 1 for every mapping, 0 for none.
fn forced_pmem() -> Option<bool> {
    #[cfg(test)]
    if let Some(is_pmem) = forced::PMEM.get() {
        return Some(is_pmem);
    }
    static FORCED: OnceLock<Option<bool>> = OnceLock::new();
    *FORCED.get_or_init(|| match std::env::var("PMEM_IS_PMEM_FORCE").as_deref() {
        Ok("1") => Some(true),
        Ok("0") => Some(false),
        _ => None,
    })
}

/// Whether `file`, which is not empty, lies on persistent memory.
pub(crate) fn is_on_pmem(file: &File) -> bool {
    forced_pmem().unwrap_or_else(|| platform::is_synchronous(file))
}

/// What this thread's tests take every file to be.
#[cfg(test)]
pub(crate) mod forced {
    use std::cell::Cell;

    thread_local! {
        pub(super) static PMEM: Cell<Option<bool>> = const { Cell::new(None) };
    }

    /// From now on every file is on persistent memory for this thread, or none.
    pub(crate) fn pmem(is_pmem: bool) {
        PMEM.set(Some(is_pmem));
    }

    /// What this thread takes files to be, where it was told.
    pub(crate) fn get() -> Option<bool> {
        PMEM.get()
    }
}
