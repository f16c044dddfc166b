//! One mapping of a file, and its life: made here, unmapped when its last owner drops it.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::OnceLock;

use nix::Result;
use nix::sys::mman::{MapFlags, MsFlags, ProtFlags, mmap, mmap_anonymous, msync, munmap};

/// Whether stores reach the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Stores go to the file.
    Shared,
    /// Stores stay in this mapping: harmless, and lost with it.
    Private,
}

/// A range of addresses that shows a file's bytes. Dropping it gives the addresses back.
///
/// It hands out an address, not a slice: other processes, threads and JavaScript store into the same bytes.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    len: NonZeroUsize,
    synchronous: bool,
    /// What makes the device write its cache, which msync leaves to the device here.
    #[cfg(target_os = "macos")]
    file: std::fs::File,
}

// SAFETY: a mapping belongs to the process, not to a thread, and is only reached through raw pointers.
unsafe impl Send for Mapping {}
// SAFETY: as for Send; every method leaves concurrent access to the bytes to its caller.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` from the page-aligned `offset`, readable and writable.
    pub(crate) fn new(file: impl AsFd, offset: u64, len: NonZeroUsize, access: Access) -> Result<Self> {
        if access == Access::Private {
            let synchronous = map_synchronously(&file, offset, len, ProtFlags::PROT_READ).is_ok();
            return Self::with(&file, offset, len, MapFlags::MAP_PRIVATE, synchronous);
        }
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        if let Ok(mapping) = map_synchronously(&file, offset, len, protection) {
            return Ok(mapping);
        }
        Self::with(&file, offset, len, MapFlags::MAP_SHARED, false)
    }

    fn with(file: impl AsFd, offset: u64, len: NonZeroUsize, flags: MapFlags, synchronous: bool) -> Result<Self> {
        let start = map(&file, offset, len, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags)?;
        Ok(Self {
            start,
            len,
            synchronous,
            #[cfg(target_os = "macos")]
            file: nix::unistd::dup(&file)?.into(),
        })
    }

    /// The first byte's address.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The number of bytes mapped; never 0.
    #[allow(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether flushing caches makes stores durable: the file takes `MAP_SYNC`, or `PMEM_IS_PMEM_FORCE` says so.
    pub(crate) fn is_pmem(&self) -> bool {
        forced_pmem().unwrap_or(self.synchronous)
    }

    /// `msync(MS_SYNC)` of the pages that hold `[offset, offset + len)`, a range inside the mapping.
    pub(crate) fn sync(&self, offset: usize, len: usize) -> Result<()> {
        debug_assert!(offset + len <= self.len());
        let first = offset & !(page_size() - 1);
        let page = self.start.as_ptr().wrapping_add(first).cast::<c_void>();
        let Some(page) = NonNull::new(page) else { return Ok(()) };
        // SAFETY: the pages lie in this mapping, which lives as long as `self`.
        unsafe { msync(page, offset + len - first, MsFlags::MS_SYNC) }?;
        self.sync_device()
    }

    #[cfg(target_os = "macos")]
    fn sync_device(&self) -> Result<()> {
        let synced = self.file.sync_all();
        synced.map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO)))
    }

    #[cfg(not(target_os = "macos"))]
    fn sync_device(&self) -> Result<()> {
        Ok(())
    }

    /// Puts anonymous zero pages over the mapping. The addresses stay valid until drop, the file is let go.
    ///
    /// Where the kernel refuses, the file stays mapped until drop instead.
    pub(crate) fn disconnect(&self) {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED | MapFlags::MAP_NORESERVE;
        let start = NonZeroUsize::new(self.start.as_ptr() as usize);
        // SAFETY: only this mapping's own pages are replaced, with pages that are as readable and writable.
        let _ = unsafe { mmap_anonymous(start, self.len, protection, flags) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new`, nothing else unmaps it, and its last owner is gone.
        let _ = unsafe { munmap(self.start.cast(), self.len()) };
    }
}

fn map(file: impl AsFd, offset: u64, len: NonZeroUsize, protection: ProtFlags, flags: MapFlags) -> Result<NonNull<u8>> {
    let offset = i64::try_from(offset).map_err(|_| nix::errno::Errno::EOVERFLOW)?;
    // SAFETY: without MAP_FIXED the kernel picks unused addresses, so no existing memory changes.
    unsafe { mmap(None, len, protection, flags, file, offset) }.map(NonNull::cast)
}

#[cfg(target_os = "linux")]
fn map_synchronously(file: impl AsFd, offset: u64, len: NonZeroUsize, protection: ProtFlags) -> Result<Mapping> {
    let start = map(file, offset, len, protection, MapFlags::MAP_SHARED_VALIDATE | MapFlags::MAP_SYNC)?;
    Ok(Mapping { start, len, synchronous: true })
}

#[cfg(not(target_os = "linux"))]
fn map_synchronously(_: impl AsFd, _: u64, _: NonZeroUsize, _: ProtFlags) -> Result<Mapping> {
    Err(nix::errno::Errno::EOPNOTSUPP)
}

/// What `PMEM_IS_PMEM_FORCE` says: 1 for every mapping, 0 for none.
fn forced_pmem() -> Option<bool> {
    static FORCED: OnceLock<Option<bool>> = OnceLock::new();
    *FORCED.get_or_init(|| match std::env::var("PMEM_IS_PMEM_FORCE").as_deref() {
        Ok("1") => Some(true),
        Ok("0") => Some(false),
        _ => None,
    })
}

/// Whether `file`, which is not empty, lies on persistent memory.
pub(crate) fn is_on_pmem(file: impl AsFd) -> bool {
    forced_pmem().unwrap_or_else(|| map_synchronously(file, 0, NonZeroUsize::MIN, ProtFlags::PROT_READ).is_ok())
}

/// The size of a page in bytes, a power of two.
pub(crate) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let asked = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
        asked.ok().flatten().and_then(|size| usize::try_from(size).ok()).unwrap_or(4096)
    })
}
